"""Search keys (RFC 3501, section 6.4.4) as values that nest.

Keys may nest as deep as a command is long, so functions that walk through them must not call themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import chain
from typing import TypeAlias

from mailyard.imap.grammar.sequences import SequenceSet


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
    """RECENT, or OLD: not recent."""

    present: bool = True


@dataclass(frozen=True, slots=True)
class IsNew:
    """NEW: recent and not seen."""


class Relation(Enum):
    """Relation of a day to the day of the key."""

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
    """HEADER name text, and FROM, TO, CC, BCC, SUBJECT. Empty text: the field exists."""

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
    """OR key key: at least one matches. OR of OR is one Or of several keys. Made by `either`."""

    keys: tuple["SearchKey", ...]


@dataclass(frozen=True, slots=True)
class And:
    """Several keys, all of which must match. Made by `all_of`."""

    keys: tuple["SearchKey", ...]


Leaf: TypeAlias = (
    AllMessages | HasFlag | IsRecent | IsNew | Arrived | Sent | Larger | Smaller | InHeader | InBody | InText
    | Numbered | WithUid
)  # fmt: skip
SearchKey: TypeAlias = Leaf | Not | Or | And


def negated(key: SearchKey) -> SearchKey:
    """Return NOT key; NOT NOT key is the key."""
    return key.key if isinstance(key, Not) else Not(key)


def either(left: SearchKey, right: SearchKey) -> SearchKey:
    """Return OR left right."""
    return Or(_alternatives(left) + _alternatives(right))


def _alternatives(key: SearchKey) -> tuple[SearchKey, ...]:
    return key.keys if isinstance(key, Or) else (key,)


def all_of(keys: Sequence[SearchKey]) -> SearchKey:
    """Return one key that matches where all keys match."""
    if len(keys) == 1:
        return keys[0]
    return And(tuple(chain.from_iterable(key.keys if isinstance(key, And) else (key,) for key in keys)))


def leaves(keys: Iterable[SearchKey]) -> Iterator[Leaf]:
    """Give the keys that contain no other keys, at any depth."""
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        match key:
            case Not(inner):
                waiting.append(inner)
            case Or(inners) | And(inners):
                waiting.extend(inners)
            case _:
                yield key
