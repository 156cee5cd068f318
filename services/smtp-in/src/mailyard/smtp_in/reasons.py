"""The classes of refusals: the values of the label `reason`. They are few, and none holds text of a client."""

from collections.abc import Mapping

from mailyard.smtp.reply import Reply
from mailyard.smtp.server.replies import BARE_NEWLINE

_PROTOCOL = "protocol"
_LIMIT = "limit"
_LINE_ENDS = "line-ends"
_BY_STATUS: Mapping[str, str] = {
    "1.1": "unknown-recipient",
    "1.2": "bad-domain",
    "1.8": "bad-domain",
    "2.1": "mailbox-disabled",
    "2.2": "mailbox-full",
    "3.0": "unavailable",
    "3.1": "pressure",
    "3.2": "pressure",
    "3.4": "size",
    "4.6": "loop",
    "5.3": "too-many-recipients",
    "6.0": "content",
    "7.0": "authentication",
    "7.1": "policy",
    "7.8": "authentication",
    "7.11": "authentication",
    "7.13": "authentication",
    "7.25": "policy",
}


def reason_of(reply: Reply) -> str:
    """Return the class of a refusal by its codes (RFC 3463)."""
    if reply is BARE_NEWLINE:
        return _LINE_ENDS
    if reply.code == 421:
        return _LIMIT
    _, _, detail = (reply.enhanced or "").partition(".")
    return _BY_STATUS.get(detail, _PROTOCOL)
