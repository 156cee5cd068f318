"""Whether a message is what a SEARCH looks for (RFC 3501, section 6.4.4).

A search becomes a test: a function of what is known of a message that says yes, no, or None for "not known yet". So most
messages are decided by the session's view, the others by their rows, and octets are read for the few that remain.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TypeAlias, assert_never

from mailyard.imap.core.flags import SEEN
from mailyard.imap.core.searchkeys import (
    AllMessages,
    And,
    Arrived,
    HasFlag,
    InBody,
    InHeader,
    InText,
    IsNew,
    IsRecent,
    Larger,
    Not,
    Numbered,
    Or,
    Relation,
    SearchKey,
    Sent,
    Smaller,
    WithUid,
    leaves,
)
from mailyard.imap.session.handlers.choice import chosen
from mailyard.imap.session.view import MessageView
from mailyard.mailbox.model import Message
from mailyard.message.dates import parse_date
from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import scan_fields
from mailyard.message.headers import HeaderIndex


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, ready for comparison; `body` is None when only the header was read."""

    header: bytes
    header_text: str
    body: str | None = None


class Facts:
    """What is known of one message: its place in the view, then its row, then its content."""

    def __init__(self, place: int, view: MessageView) -> None:
        self.place = place
        self.flags = view.flags(place)
        self._view = view
        self.row: Message | None = None
        self.content: Content | None = None

    @property
    def recent(self) -> bool:
        r"""Whether the message is \Recent."""
        return self._view.is_recent(self.place)

    @cached_property
    def _index(self) -> HeaderIndex | None:
        return HeaderIndex.decode(self.row.header_index) if self.row else None

    def field_values(self, name: bytes) -> list[bytes] | None:
        """The values of all fields of this name; None: not known yet."""
        octets = None
        if self.content is not None:
            octets = self.content.header
        elif self.row is not None and self._index is not None:
            octets = self._index.fields((name,))
        if octets is None:
            return None
        return [field.value for field in scan_fields(octets) if field.name == name]


Test: TypeAlias = Callable[[Facts], bool | None]


class Spans:
    """Places that a set of numbers means."""

    def __init__(self, ranges: Sequence[range]) -> None:
        self._starts = [places.start for places in ranges]
        self._ranges = ranges

    def __contains__(self, place: int) -> bool:
        index = bisect_right(self._starts, place) - 1
        return index >= 0 and place in self._ranges[index]


def folded(text: str) -> str:
    """Text as it is compared: case makes no difference, nor do line breaks."""
    return " ".join(text.casefold().split())


def all_of(keys: Sequence[SearchKey], view: MessageView) -> Test:
    """The test for all of these keys together; raises CommandSyntaxError for a message number that does not exist."""
    tests = [test_of(key, view) for key in keys]

    def test(facts: Facts) -> bool | None:
        unknown = False
        for each in tests:
            outcome = each(facts)
            if outcome is False:
                return False
            unknown |= outcome is None
        return None if unknown else True

    return test


def test_of(key: SearchKey, view: MessageView) -> Test:
    """The test for one key."""
    match key:
        case AllMessages():
            return lambda _: True
        case HasFlag(flag, present):
            return lambda facts: (flag in facts.flags) is present
        case IsRecent(present):
            return lambda facts: facts.recent is present
        case IsNew():
            return lambda facts: SEEN not in facts.flags and facts.recent
        case Numbered(numbers):
            return _in(Spans(chosen(view, numbers, by_uid=False)))
        case WithUid(uids):
            return _in(Spans(chosen(view, uids, by_uid=True)))
        case Arrived(relation, day):
            return _of_row(lambda row: _relates(row.internal_date.date(), relation, day))
        case Sent(relation, day):
            return lambda facts: _sent(facts, relation, day)
        case Larger(octets):
            return _of_row(lambda row: row.size > octets)
        case Smaller(octets):
            return _of_row(lambda row: row.size < octets)
        case InHeader(name, text):
            return _in_header(name.encode("ascii"), folded(text))
        case InBody(text):
            return _in_content(folded(text), with_header=False)
        case InText(text):
            return _in_content(folded(text), with_header=True)
        case Not(inner):
            return _opposite(test_of(inner, view))
        case Or(left, right):
            return _either(test_of(left, view), test_of(right, view))
        case And(keys):
            return all_of(keys, view)
        case _:
            assert_never(key)


def _in(spans: Spans) -> Test:
    return lambda facts: facts.place in spans


def _of_row(test: Callable[[Message], bool]) -> Test:
    return lambda facts: None if facts.row is None else test(facts.row)


def _relates(day: date, relation: Relation, other: date) -> bool:
    match relation:
        case Relation.BEFORE:
            return day < other
        case Relation.ON:
            return day == other
        case Relation.SINCE:
            return day >= other


def _sent(facts: Facts, relation: Relation, day: date) -> bool | None:
    """By the Date field; a message without one, or with one that cannot be read, matches nothing."""
    values = facts.field_values(b"date")
    if values is None:
        return None
    sent = parse_date(values[0]) if values else None
    return sent is not None and _relates(sent.date(), relation, day)


def _in_header(name: bytes, text: str) -> Test:
    def test(facts: Facts) -> bool | None:
        values = facts.field_values(name)
        return None if values is None else any(text in folded(decode_words(value)) for value in values)

    return test


def _in_content(text: str, *, with_header: bool) -> Test:
    def test(facts: Facts) -> bool | None:
        content = facts.content
        if content is None or content.body is None:
            return None
        return text in content.body or (with_header and text in content.header_text)

    return test


def _opposite(test: Test) -> Test:
    def opposite(facts: Facts) -> bool | None:
        outcome = test(facts)
        return None if outcome is None else not outcome

    return opposite


def _either(left: Test, right: Test) -> Test:
    def test(facts: Facts) -> bool | None:
        first = left(facts)
        if first:
            return True
        second = right(facts)
        return True if second else None if first is None else second

    return test


def looks_into_bodies(keys: Sequence[SearchKey]) -> bool:
    """Whether a header alone cannot answer."""
    return any(isinstance(key, InBody | InText) for key in leaves(keys))


def looks_into_headers(keys: Sequence[SearchKey]) -> bool:
    """Whether header fields are asked for."""
    return any(isinstance(key, InHeader | Sent) for key in leaves(keys))
