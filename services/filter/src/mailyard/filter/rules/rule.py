"""A content rule as a value: conditions and what to do when they hold."""

from dataclasses import dataclass
from enum import StrEnum

from mailyard.filter.mail import Need
from mailyard.filter.rules.patterns import Pattern
from mailyard.proto.v1.ticket_pb2 import Action

INCOMPLETE = "incomplete"  # stands beside the defects that cut something


class LookAt(StrEnum):
    """The subject of a condition: the values of `look_at` in a file of rules."""

    HEADER = "header"
    BODY = "body"
    RAW = "raw"
    ATTACHMENT_NAME = "attachment-name"
    ATTACHMENT_TYPE = "attachment-type"
    SIZE = "size"
    SENDER = "sender"
    RECIPIENT = "recipient"
    RECIPIENT_DOMAIN = "recipient-domain"
    TENANT = "tenant"
    DIRECTION = "direction"
    DEFECT = "defect"

    @property
    def need(self) -> Need:
        """How much of a message the condition needs."""
        if self is LookAt.HEADER:
            return Need.HEADER
        return Need.CONTENT if self in _CONTENT else Need.ENVELOPE


_CONTENT = (LookAt.BODY, LookAt.RAW, LookAt.ATTACHMENT_NAME, LookAt.ATTACHMENT_TYPE, LookAt.DEFECT)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: one of the patterns matches, or the size is beyond a bound; `negate` inverts the result."""

    look_at: LookAt
    header: bytes = b""  # its name in lower case, for HEADER
    patterns: tuple[Pattern, ...] = ()
    over: int | None = None  # octets, for SIZE
    under: int | None = None
    negate: bool = False

    def is_size(self, octets: int) -> bool:
        """Return whether a size is within the bounds."""
        return (self.over is None or octets > self.over) and (self.under is None or octets < self.under)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `stop`: when it matches, later rules are not evaluated."""

    name: str
    conditions: tuple[Condition, ...]
    action: Action
    every: bool = True  # all conditions must hold, else any
    stop: bool = False
    status: str = ""  # for REJECT
    text: str = ""
    fields: tuple[bytes, ...] = ()  # complete header fields that it adds
    supposes: bool = False  # what could not be looked at counts as matching
