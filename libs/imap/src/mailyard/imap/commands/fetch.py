"""FETCH and UID FETCH (RFC 3501, section 6.4.5)."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.sections import Partial, Section, SectionText, section
from mailyard.imap.grammar.sequences import SequenceSet, sequence_set
from mailyard.imap.grammar.syntax import number, nz_number, parenthesised, space
from mailyard.imap.states import MAILBOX_SELECTED

_WORD = re.compile(rb"[A-Za-z0-9.]+")


class Item(Enum):
    """FETCH items that are answered from the row of a message, without its octets."""

    FLAGS = b"FLAGS"
    UID = b"UID"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    BODY = b"BODY"


@dataclass(frozen=True, slots=True)
class BodyItem:
    """BODY[...] and BODY.PEEK[...]: octets of a message."""

    section: Section
    peek: bool = False
    partial: Partial | None = None

    @property
    def sets_seen(self) -> bool:
        r"""Whether FETCH of the item sets \Seen."""
        return not self.peek

    @property
    def label(self) -> bytes:
        """The name of the item in the response: without PEEK, and without the count of the partial."""
        return b"BODY" + self.section.encode() + (b"<%d>" % self.partial.start if self.partial else b"")


class Rfc822Item(Enum):
    """RFC822, RFC822.HEADER, RFC822.TEXT: names of sections from RFC 822, used in the response too."""

    WHOLE = b"RFC822"
    HEADER = b"RFC822.HEADER"
    TEXT = b"RFC822.TEXT"

    @property
    def section(self) -> Section:
        """The section of the item."""
        return _RFC822_SECTIONS[self]

    @property
    def partial(self) -> None:
        """None: the item has no partial form."""
        return

    @property
    def sets_seen(self) -> bool:
        r"""RFC822.HEADER alone does not set \Seen."""
        return self is not Rfc822Item.HEADER

    @property
    def label(self) -> bytes:
        """The name of the item in the response."""
        return self.value


_RFC822_SECTIONS = {
    Rfc822Item.WHOLE: Section(),
    Rfc822Item.HEADER: Section(text=SectionText.HEADER),
    Rfc822Item.TEXT: Section(text=SectionText.TEXT),
}

FetchItem: TypeAlias = Item | Rfc822Item | BodyItem
OctetsItem: TypeAlias = Rfc822Item | BodyItem

_FAST = (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)
_MACROS: dict[bytes, tuple[FetchItem, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Item.ENVELOPE),
    b"FULL": (*_FAST, Item.ENVELOPE, Item.BODY),
}
_NAMED: dict[bytes, FetchItem] = {item.value: item for kind in (Item, Rfc822Item) for item in kind}


@dataclass(frozen=True, slots=True)
class FetchCommand(ImapCommand, verb="FETCH", states=MAILBOX_SELECTED):
    """FETCH: items of messages; macros are expanded."""

    numbers: SequenceSet
    items: tuple[FetchItem, ...]
    by_uid: bool = False

    @property
    def reads_flags(self) -> bool:
        """True for the item FLAGS; everything else of a message never changes."""
        return Item.FLAGS in self.items

    @property
    def defers_expunges(self) -> bool:
        """True for FETCH, false for UID FETCH."""
        return not self.by_uid


def _fetch(cursor: Cursor, *, by_uid: bool) -> FetchCommand:
    """ABNF: fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")."""
    space(cursor)
    numbers = sequence_set(cursor)
    space(cursor)
    if cursor.sees(b"("):
        items = parenthesised(cursor, _item, cursor.limits.fetch_items)
    else:
        items = _macro_or_item(cursor)
    if not items:
        raise CommandSyntaxError("Expected at least one item to fetch")
    return FetchCommand(numbers, tuple(dict.fromkeys(items)), by_uid)


def _macro_or_item(cursor: Cursor) -> tuple[FetchItem, ...]:
    start = cursor.position
    macro = _MACROS.get(cursor.require(_WORD, "an item to fetch").upper())
    if macro is not None:
        return macro
    cursor.position = start
    return (_item(cursor),)


def _item(cursor: Cursor) -> FetchItem:
    word = cursor.require(_WORD, "an item to fetch").upper()
    if cursor.sees(b"[") and word in {b"BODY", b"BODY.PEEK"}:
        return BodyItem(section(cursor), word == b"BODY.PEEK", _partial(cursor))
    if word not in _NAMED:
        raise CommandSyntaxError(f"There is no item {word.decode('ascii')} to fetch")
    return _NAMED[word]


def _partial(cursor: Cursor) -> Partial | None:
    if not cursor.skip(b"<"):
        return None
    start = number(cursor)
    cursor.expect(b".", "a full stop")
    count = nz_number(cursor)
    cursor.expect(b">", "the end of the partial")
    return Partial(start, count)


PARSERS: Parsers = {b"FETCH": lambda cursor: _fetch(cursor, by_uid=False)}
UID_PARSERS: Parsers = {b"FETCH": lambda cursor: _fetch(cursor, by_uid=True)}
