r"""Names with a fixed meaning in every mailbox store: INBOX, the hierarchy separator, system flags, special uses.

A leaf module: `mailyard.mailbox` stores these names, the parsers of this package read them.
"""

from enum import StrEnum

INBOX = "INBOX"  # one name in any case (RFC 3501, section 5.1)
SEPARATOR = "/"  # between the levels of a mailbox name (RFC 3501, section 5.1.1)

SEEN = "\\Seen"
ANSWERED = "\\Answered"
FLAGGED = "\\Flagged"
DELETED = "\\Deleted"
DRAFT = "\\Draft"
RECENT = "\\Recent"  # a session's own; never stored (RFC 3501, section 2.3.2)
SYSTEM_FLAGS = (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT)

SPECIAL_USES = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")  # RFC 6154


class FlagChange(StrEnum):
    """How STORE changes the flags of a message (RFC 3501, section 6.4.6)."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


def is_keyword(flag: str) -> bool:
    """Return whether a flag is a keyword and not a system flag (RFC 3501, section 2.3.2)."""
    return not flag.startswith("\\")
