"""Test of messages against search keys (RFC 3501, section 6.4.4).

Each key becomes a test: a function of the facts about a message that returns True, False, or None for "not known yet". So
the session's view decides most messages, rows decide the others, and octets are read for the few that remain.
"""

import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias, assert_never

from mailyard.imap.grammar.searchkeys import (
    AllMessages,
    Arrived,
    HasFlag,
    InBody,
    InHeader,
    InText,
    IsNew,
    IsRecent,
    Larger,
    Leaf,
    Numbered,
    Relation,
    SearchKey,
    Sent,
    Smaller,
    WithUid,
    leaves,
)
from mailyard.imap.wellknown import SEEN
from mailyard.imap_server.session import searchprogram
from mailyard.imap_server.session.searchtext import address_texts, folded
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.model import Message
from mailyard.message.dates import parse_date
from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import unfold
from mailyard.message.headers import HeaderIndex
from mailyard.message.summary import Summary

_COMPARE: dict[Relation, Callable[[date, date], bool]] = {
    Relation.BEFORE: operator.lt,
    Relation.ON: operator.eq,
    Relation.SINCE: operator.ge,
}
_ADDRESS_FIELDS = frozenset((b"bcc", b"cc", b"from", b"to"))


@dataclass(frozen=True, slots=True)
class MessageContent:
    """Header and text of a message, ready for comparison; `body` is None where only the header was read."""

    header: bytes
    header_text: str
    body: str | None = None


class Facts:
    """The facts about one message: its index in the view, then its row, then its content."""

    __slots__ = ("_texts", "_view", "content", "index", "row")

    def __init__(self, index: int, view: MessageView) -> None:
        self.index = index
        self.row: Message | None = None
        self.content: MessageContent | None = None
        self._view = view
        self._texts: dict[bytes, list[str]] = {}

    def has_flag(self, flag: str) -> bool:
        r"""Return whether the message has a flag; \Recent is not among them."""
        return self._view.has_flag(self.index, flag)

    @property
    def recent(self) -> bool:
        r"""Whether the message is \Recent."""
        return self._view.is_recent(self.index)

    @property
    def exact_summary(self) -> Summary | None:
        """The column `summary`, where it was loaded and can be relied on."""
        summary = None if self.row is None else self.row.summary
        return summary if summary is not None and summary.is_exact else None

    def field_values(self, field: "FieldFinder") -> list[bytes] | None:
        """Return the unfolded values of all fields of this name; None: not known yet."""
        if self.content is not None:
            return field.values(self.content.header)
        return None if self.row is None else field.indexed_values(self.row.header_index)

    def field_texts(self, field: "FieldFinder") -> list[str] | None:
        """Return the values of all fields of this name, decoded and folded; addresses also as in ENVELOPE. None: not known yet."""
        texts = self._texts.get(field.name)
        if texts is None:
            if field.name == b"subject" and (summary := self.exact_summary) is not None:
                return [] if summary.subject is None else [folded(summary.subject)]
            values = self.field_values(field)
            if values is None:
                return None
            texts = [folded(decode_words(value)) for value in values]
            if field.name in _ADDRESS_FIELDS:
                texts += (text for value in values for text in address_texts(value))
            self._texts[field.name] = texts
        return texts


class FieldFinder:
    """Finder of the header fields of one name."""

    def __init__(self, name: str) -> None:
        self.name = name.encode("ascii")
        self._listed = b":%b:" % self.name
        self._pattern = re.compile(rb"\n(?i:%b)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)" % re.escape(self.name))

    def values(self, header: bytes) -> list[bytes]:
        """Return the values in a header section."""
        return [unfold(value) for value in self._pattern.findall(b"\n" + header)]

    def indexed_values(self, encoded: bytes) -> list[bytes] | None:
        """Return the values by the header index of a row; None where the index does not have them."""
        known = HeaderIndex.decode(encoded)
        return self.values(known.kept) if known.complete and self.name not in known.others else None


Test: TypeAlias = searchprogram.Test[Facts]


class Spans:
    """Indexes of the messages in a set of numbers."""

    def __init__(self, ranges: Sequence[range]) -> None:
        self._starts = [indexes.start for indexes in ranges]
        self._ranges = ranges

    def __contains__(self, index: int) -> bool:
        span = bisect_right(self._starts, index) - 1
        return span >= 0 and index in self._ranges[span]


def test_for(keys: Sequence[SearchKey], view: MessageView) -> Test:
    """Return the test for all of these keys together. A message number that does not exist matches nothing."""
    finders: dict[str, FieldFinder] = {}
    return searchprogram.program(keys, lambda leaf: _test_of(leaf, view, finders))


def _test_of(key: Leaf, view: MessageView, finders: dict[str, FieldFinder]) -> Test:
    match key:
        case AllMessages():
            return lambda _: True
        case HasFlag(flag, present):
            return lambda facts: facts.has_flag(flag) is present
        case IsRecent(present):
            return lambda facts: facts.recent is present
        case IsNew():
            return lambda facts: facts.recent and not facts.has_flag(SEEN)
        case Numbered(numbers):
            return _in(Spans(view.by_number(numbers)))
        case WithUid(uids):
            return _in(Spans(view.by_uid(uids)))
        case Arrived(relation, day):
            return _arrived(relation, day)
        case Sent(relation, day):
            return _sent(finders.setdefault("date", FieldFinder("date")), relation, day)
        case Larger(octets):
            return lambda facts: None if facts.row is None else facts.row.size > octets
        case Smaller(octets):
            return lambda facts: None if facts.row is None else facts.row.size < octets
        case InHeader(name, text):
            return _in_header(finders.setdefault(name, FieldFinder(name)), folded(text))
        case InBody(text):
            return _in_content(folded(text), with_header=False)
        case InText(text):
            return _in_content(folded(text), with_header=True)
        case _:
            assert_never(key)


def _in(spans: Spans) -> Test:
    return lambda facts: facts.index in spans


def _arrived(relation: Relation, day: date) -> Test:
    def test(facts: Facts) -> bool | None:
        return None if facts.row is None else _COMPARE[relation](facts.row.internal_date.date(), day)

    return test


def _sent(field: FieldFinder, relation: Relation, day: date) -> Test:
    """Return the test by the Date field; without a valid Date, by INTERNALDATE (as RFC 5256, section 2.2)."""

    def test(facts: Facts) -> bool | None:
        if facts.row is None:
            return None
        summary = facts.exact_summary
        if summary is not None:
            sent_at = summary.sent_at
        else:
            values = facts.field_values(field)
            if values is None:
                return None
            sent_at = parse_date(values[0]) if values else None
        return _COMPARE[relation]((sent_at or facts.row.internal_date).date(), day)

    return test


def _in_header(field: FieldFinder, text: str) -> Test:
    def test(facts: Facts) -> bool | None:
        texts = facts.field_texts(field)
        return None if texts is None else any(text in each for each in texts)

    return test


def _in_content(text: str, *, with_header: bool) -> Test:
    def test(facts: Facts) -> bool | None:
        content = facts.content
        if content is None or content.body is None:
            return None
        return text in content.body or (with_header and text in content.header_text)

    return test


def looks_into_bodies(keys: Iterable[SearchKey]) -> bool:
    """Return whether keys need the text of bodies."""
    return any(isinstance(key, InBody | InText) for key in leaves(keys))


def row_stages(keys: Sequence[SearchKey]) -> tuple[frozenset[str], ...]:
    """Return the columns that the keys need, in stages: each stage for the messages that are undecided after the one before.

    Subject and sent date are in the column `summary`. The header index, which is ten times as long, is read for messages
    without that column and for other fields.
    """
    fields: set[str] = set()
    needs_index = False
    for key in leaves(keys):
        match key:
            case Arrived():
                fields.add("internal_date")
            case Sent():
                fields.update(("internal_date", "summary"))
            case InHeader("subject"):
                fields.add("summary")
            case InHeader():
                needs_index = True
            case Larger() | Smaller():
                fields.add("size")
            case _:
                pass
    small, whole = frozenset(fields), frozenset(fields | {"header_index"})
    if needs_index or ("summary" in fields and looks_into_bodies(keys)):
        return (whole,)
    if "summary" in fields:
        return small, whole
    return (small,) if small else ()
