"""What SEARCH may ask of a message (RFC 3501, section 6.4.4), as values that nest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TypeAlias

from mailyard.imap.core.sequences import SequenceSet


@dataclass(frozen=True, slots=True)
class AllMessages:
    """ALL."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    """SEEN, UNSEEN, KEYWORD x, …: the flag is there, or is not."""

    flag: str
    present: bool = True


@dataclass(frozen=True, slots=True)
class IsRecent:
    """RECENT; OLD when it must not be."""

    present: bool = True


@dataclass(frozen=True, slots=True)
class IsNew:
    """NEW: recent and not seen."""


class Relation(Enum):
    """How a day relates to the one given."""

    BEFORE = b"BEFORE"
    ON = b"ON"
    SINCE = b"SINCE"


@dataclass(frozen=True, slots=True)
class Arrived:
    """BEFORE, ON, SINCE: the internal date, disregarding time and zone."""

    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class Sent:
    """SENTBEFORE, SENTON, SENTSINCE: the Date field, disregarding time and zone."""

    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class Larger:
    """LARGER n."""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """SMALLER n."""

    octets: int


@dataclass(frozen=True, slots=True)
class InHeader:
    """HEADER name text, and FROM, TO, CC, BCC, SUBJECT. Empty text: the field is there."""

    field: str  # lower case
    text: str


@dataclass(frozen=True, slots=True)
class InBody:
    """BODY text."""

    text: str


@dataclass(frozen=True, slots=True)
class InText:
    """TEXT text: header or body."""

    text: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """Messages by sequence number."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class WithUid:
    """UID: messages by UID."""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class Not:
    """NOT key."""

    key: "SearchKey"


@dataclass(frozen=True, slots=True)
class Or:
    """OR key key."""

    left: "SearchKey"
    right: "SearchKey"


@dataclass(frozen=True, slots=True)
class And:
    """Several keys, all of which must match."""

    keys: tuple["SearchKey", ...]


SearchKey: TypeAlias = (
    AllMessages | HasFlag | IsRecent | IsNew | Arrived | Sent | Larger | Smaller | InHeader | InBody | InText
    | Numbered | WithUid | Not | Or | And
)  # fmt: skip


def leaves(keys: Sequence[SearchKey]) -> Iterator[SearchKey]:
    """The keys that hold no others, wherever they stand."""
    for key in keys:
        match key:
            case Not(inner):
                yield from leaves((inner,))
            case Or(left, right):
                yield from leaves((left, right))
            case And(inners):
                yield from leaves(inners)
            case _:
                yield key
