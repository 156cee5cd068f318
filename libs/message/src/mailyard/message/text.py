"""The text of a message: its parts decoded, the names of its attachments, its header fields.

For SEARCH. Nothing is decoded before it is asked for, and nothing raises.
"""

from collections.abc import Iterator

from mailyard.message.charsets import decode_octets
from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import scan_fields
from mailyard.message.inside import look_inside
from mailyard.message.leaf import LeafPart

__all__ = ["LeafPart", "header_text", "leaf_parts"]


def leaf_parts(prefix: bytes, body: bytes) -> Iterator[LeafPart]:
    """The leaf parts of the message `prefix + body` in order, those of messages in it too.

    `body` may be cut off anywhere; its parts are then as long as what is there.
    """
    return iter(look_inside(prefix, body).leaves)


def header_text(header: bytes) -> str:
    """A header section as text: unfolded fields, encoded words decoded, one line each."""
    lines = (f"{decode_octets(field.name)}: {decode_words(field.value)}" for field in scan_fields(header))
    return "\n".join(lines)
