"""What a check objects to, and what is known of a client. Pure."""

from dataclasses import dataclass, field

from mailyard.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Concern:
    """An objection: `rule` names it within its check, `text` explains it, `reply` refuses the recipient."""

    rule: str
    text: str
    reply: Reply


@dataclass(slots=True)
class JudgedClient:
    """What checks have found out about one connection.

    `concerns` has an entry for each check of the client that has ended: its concern, or None.
    """

    is_exempt: bool = False  # of a network that no check is asked about
    concerns: dict[str, Concern | None] = field(default_factory=dict)
    is_known_good: bool = False  # a DNS allowlist vouches for the client
    refusals: int = 0  # of commands and messages, on this connection
