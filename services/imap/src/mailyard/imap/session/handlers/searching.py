"""SEARCH and UID SEARCH (RFC 3501, section 6.4.4): by what the session knows, then by rows, then by content."""

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mailyard.imap.core.commands.search import Search
from mailyard.imap.core.responses import Completion, ok
from mailyard.imap.core.sections import Section, SectionText
from mailyard.imap.session.fetchahead import SMALL_BODY
from mailyard.imap.session.handlers.choice import in_portions
from mailyard.imap.session.handlers.fetching import HEADER_FIELDS, OCTET_FIELDS
from mailyard.imap.session.matching import (
    Content,
    Facts,
    all_of,
    folded,
    looks_into_bodies,
    looks_into_headers,
)
from mailyard.imap.session.octets import read_header, read_whole
from mailyard.imap.session.session import Session
from mailyard.mailbox.model import Message
from mailyard.message.parts import PartIndex
from mailyard.message.text import header_text, leaf_parts

_PLACES_AT_A_TIME = 1_000
_BODIES_AT_A_TIME = 20
_NUMBERS_AT_A_TIME = 5_000
_WHOLE_HEADER = Section(text=SectionText.HEADER)
_large_bodies = asyncio.Semaphore(1)  # for searches, one large message at a time is in memory


async def search(session: Session, command: Search) -> Completion:
    """SEARCH; messages that are gone meanwhile match nothing."""
    places = await _Searching(session, command).run()
    view = session.mailbox_view.view
    numbers = view.uids(places) if command.by_uid else [place + 1 for place in places]
    session.write(b"* SEARCH")
    await session.write_all(_in_words(numbers))
    session.write(b"\r\n")
    return ok("SEARCH completed")


def _in_words(numbers: Iterable[int]) -> Iterator[bytes]:
    remaining = iter(numbers)
    while some := list(islice(remaining, _NUMBERS_AT_A_TIME)):
        yield b"".join(b" %d" % number for number in some)


class _Searching:
    """One search."""

    def __init__(self, session: Session, command: Search) -> None:
        self._session = session
        self._selected = session.mailbox_view
        self._view = self._selected.view
        self._test = all_of(command.keys, self._view)
        self._needs_body = looks_into_bodies(command.keys)
        self._fields = frozenset({"internal_date", "size"})
        if self._needs_body:
            self._fields |= OCTET_FIELDS
        if looks_into_headers(command.keys):
            self._fields |= HEADER_FIELDS
        self._found = array("I")

    async def run(self) -> Sequence[int]:
        """The places of the messages that match, in order."""
        for portion in in_portions([range(len(self._view))], _PLACES_AT_A_TIME):
            undecided = self._undecided(Facts(place, self._view) for place in portion)
            if undecided:
                await self._by_rows(undecided)
            await asyncio.sleep(0)
        return sorted(self._found)

    def _undecided(self, several: Iterable[Facts]) -> list[Facts]:
        """Note those that match; return those of which too little is known."""
        undecided: list[Facts] = []
        for facts in several:
            outcome = self._test(facts)
            if outcome:
                self._found.append(facts.place)
            elif outcome is None:
                undecided.append(facts)
        return undecided

    async def _by_rows(self, several: Sequence[Facts]) -> None:
        by_uid = {self._view.uid(facts.place): facts for facts in several}
        messages = self._session.doors.messages
        async for message in messages.fetch(self._selected.mailbox, list(by_uid), self._fields):
            by_uid[message.uid].row = message
        undecided = self._undecided(facts for facts in several if facts.row is not None)
        for start in range(0, len(undecided), _BODIES_AT_A_TIME):
            await self._by_content(undecided[start : start + _BODIES_AT_A_TIME])

    async def _by_content(self, several: Sequence[Facts]) -> None:
        small = [
            facts.row.blob_id for facts in several if facts.row and self._needs_body and _is_small(facts.row)
        ]
        bodies = await self._session.doors.bodies.read_many(small) if small else {}
        for facts in several:
            assert facts.row is not None
            body = bodies.get(facts.row.blob_id)
            if not self._needs_body:
                facts.content = await self._header(facts.row)
            elif _is_small(facts.row):
                facts.content = _content(facts.row, body or b"")
            else:
                facts.content = await self._large(facts.row)
            self._undecided((facts,))
            facts.content = None

    async def _header(self, row: Message) -> Content:
        header = await read_header(self._session.doors.bodies, row, _WHOLE_HEADER) or b""
        return Content(header, "")

    async def _large(self, row: Message) -> Content:
        async with _large_bodies:
            body = await read_whole(self._session.doors.bodies, row.blob_id)
            return await asyncio.to_thread(_content, row, body)


def _is_small(row: Message) -> bool:
    return row.size - len(row.prefix) <= SMALL_BODY


def _content(row: Message, body: bytes) -> Content:
    span = PartIndex.decode(row.part_index).locate("HEADER")
    end = span.end if span else 0
    header = row.prefix[:end] + body[: max(0, end - len(row.prefix))]
    texts = (f"{part.name} {part.text}" for part in leaf_parts(row.prefix, body))
    return Content(header, folded(header_text(header)), folded(" ".join(texts)))
