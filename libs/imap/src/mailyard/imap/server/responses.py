"""Responses as octets (RFC 3501, section 7): one function for each."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError
from mailyard.imap.grammar.flags import encode_flags
from mailyard.imap.grammar.names import encode_mailbox
from mailyard.imap.grammar.syntax import encode_string
from mailyard.imap.wellknown import SEPARATOR

_NOT_TEXT = re.compile(r"[^\x20-\x7e]+")


class ResponseCondition(Enum):
    """Condition of a status response (section 7.1)."""

    OK = "OK"
    NO = "NO"
    BAD = "BAD"
    BYE = "BYE"


@dataclass(frozen=True, slots=True)
class Completion:
    """The result of a command: condition, text for people, response code for clients."""

    condition: ResponseCondition
    text: str
    code: str = ""


def ok(text: str, code: str = "") -> Completion:
    """Return the result of a command that succeeded."""
    return Completion(ResponseCondition.OK, text, code)


def no(text: str, code: str = "") -> Completion:
    """Return the result of a command that failed."""
    return Completion(ResponseCondition.NO, text, code)


def bad(text: str) -> Completion:
    """Return the result of a command that was not understood."""
    return Completion(ResponseCondition.BAD, text)


def refused(error: CommandRefused) -> Completion:
    """Return the result of a command whose parser, or handler, raised `error`."""
    return bad(error.text) if isinstance(error, CommandSyntaxError) else no(error.text, error.code)


def tagged(tag: str, completion: Completion) -> bytes:
    """Encode the response that ends a command; the text becomes printable ASCII on one line."""
    code = f"[{completion.code}] " if completion.code else ""
    text = _NOT_TEXT.sub("?", completion.text)
    return f"{tag} {completion.condition.value} {code}{text}\r\n".encode("ascii")


def untagged(completion: Completion) -> bytes:
    """Encode a status response without a tag."""
    return tagged("*", completion)


def bye(text: str, code: str = "") -> bytes:
    """Encode BYE (section 7.1.5): the server closes the connection."""
    return untagged(Completion(ResponseCondition.BYE, text, code))


def continuation(text: str = "") -> bytes:
    """Encode a continuation request (section 7.5)."""
    return f"+ {text}\r\n".encode("ascii")


def capability(names: Sequence[str]) -> bytes:
    """CAPABILITY (section 7.2.1)."""
    return f"* CAPABILITY {' '.join(names)}\r\n".encode("ascii")


def mailbox_line(verb: str, attributes: Sequence[str], name: str) -> bytes:
    """LIST or LSUB (sections 7.2.2 and 7.2.3)."""
    head = f'* {verb} ({" ".join(attributes)}) "{SEPARATOR}" '.encode("ascii")
    return head + (encode_mailbox(name) if name else b'""') + b"\r\n"


def mailbox_status(name: str, values: Sequence[tuple[bytes, int]]) -> bytes:
    """STATUS (section 7.2.4)."""
    items = b" ".join(b"%b %d" % pair for pair in values)
    return b"* STATUS %b (%b)\r\n" % (encode_mailbox(name), items)


def namespace() -> bytes:
    """NAMESPACE (RFC 2342): personal mailboxes only."""
    return f'* NAMESPACE (("" "{SEPARATOR}")) NIL NIL\r\n'.encode("ascii")


def identity(fields: Sequence[tuple[str, str]]) -> bytes:
    """ID (RFC 2971) with at least one field."""
    strings = (encode_string(word.encode("ascii")) for pair in fields for word in pair)
    return b"* ID (%b)\r\n" % b" ".join(strings)


def flags(names: Iterable[str]) -> bytes:
    """FLAGS (RFC 3501, section 7.2.6)."""
    return b"* FLAGS %b\r\n" % encode_flags(names)


def permanent_flags(names: Iterable[str]) -> bytes:
    """PERMANENTFLAGS (section 7.1): the flags that a client can change permanently."""
    return b"* OK [PERMANENTFLAGS %b] Flags that are kept\r\n" % encode_flags(names)


def exists(count: int) -> bytes:
    """EXISTS (section 7.3.1)."""
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    """RECENT (section 7.3.2)."""
    return b"* %d RECENT\r\n" % count


def expunged(number: int) -> bytes:
    """EXPUNGE (section 7.4.1)."""
    return b"* %d EXPUNGE\r\n" % number


def fetched(number: int, items: bytes) -> bytes:
    """FETCH (section 7.4.2) with encoded items."""
    return b"* %d FETCH (%b)\r\n" % (number, items)
