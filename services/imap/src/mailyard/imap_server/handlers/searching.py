"""SEARCH and UID SEARCH (RFC 3501, section 6.4.4): by the session's view, then by rows, then by content.

The event loop has its turn between small batches, and texts are decoded and compared in a thread, so that other sessions
are served during any search.
"""

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bson import ObjectId

from mailyard.imap.commands.search import SearchCommand
from mailyard.imap.grammar.searchkeys import leaves
from mailyard.imap.server.responses import Completion, ok
from mailyard.imap_server.handlers.messagesets import in_portions
from mailyard.imap_server.session.matching import (
    Facts,
    MessageContent,
    looks_into_bodies,
    row_stages,
    test_for,
)
from mailyard.imap_server.session.searchtext import folded
from mailyard.imap_server.session.session import ImapSession
from mailyard.mailbox.model import Message
from mailyard.mailbox.octets import OCTET_FIELDS, SMALL_BODY, read_blob, read_header
from mailyard.message.headertext import header_text
from mailyard.message.inside import look_inside
from mailyard.message.parts import PartIndex
from mailyard.runtime.logs import get_logger
from mailyard.store.blobs import BodyMissing

_MESSAGES_AT_A_TIME = 1_000
_TESTS_AT_A_TIME = 5_000  # between two pauses
_CONTENTS_AT_A_TIME = 100  # messages whose rows are kept while their octets are read
_BODIES_AT_A_TIME = 20
_OCTETS_AT_A_TIME = 524_288  # of small bodies that are in memory together
_NUMBERS_AT_A_TIME = 5_000
_log = get_logger(__name__)


async def search(session: ImapSession, command: SearchCommand) -> Completion:
    """Execute SEARCH; messages that were removed meanwhile do not match."""
    indexes = await _Searching(session, command).run()
    view = session.selection.view
    numbers = view.uids(indexes) if command.by_uid else [index + 1 for index in indexes]
    session.write(b"* SEARCH")
    await session.write_all(_number_lists(numbers))
    session.write(b"\r\n")
    return ok("SEARCH completed")


def _number_lists(numbers: Iterable[int]) -> Iterator[bytes]:
    for some in in_portions([numbers], _NUMBERS_AT_A_TIME):
        yield b"".join(b" %d" % number for number in some)


class _Searching:
    """One search."""

    def __init__(self, session: ImapSession, command: SearchCommand) -> None:
        self._backend = session.backend
        self._concurrency = session.backend.concurrency
        self._selected = session.selection
        self._view = self._selected.view
        self._test = test_for(command.keys, self._view)
        self._needs_body = looks_into_bodies(command.keys)
        self._row_stages = row_stages(command.keys)
        self._row_fields = self._row_stages[-1] if self._row_stages else frozenset[str]()
        self._at_a_time = max(1, _TESTS_AT_A_TIME // sum(1 for _ in leaves(command.keys)))
        self._found = array("I")

    async def run(self) -> Sequence[int]:
        """Return the indexes of the messages that match, sorted."""
        for portion in in_portions([range(len(self._view))], _MESSAGES_AT_A_TIME):
            undecided = await self._undecided([Facts(index, self._view) for index in portion])
            for fields in self._row_stages:
                if undecided:
                    undecided = await self._by_rows(undecided, fields)
            for start in range(0, len(undecided), _CONTENTS_AT_A_TIME):
                some = undecided[start : start + _CONTENTS_AT_A_TIME]
                await self._by_content(await self._with_rows(some, self._row_fields | OCTET_FIELDS))
        return sorted(self._found)

    async def _undecided(self, several: Sequence[Facts]) -> list[Facts]:
        """Note the messages that match; return those that cannot be decided yet."""
        undecided: list[Facts] = []
        for start in range(0, len(several), self._at_a_time):
            undecided += self._tested(several[start : start + self._at_a_time])
            await asyncio.sleep(0)
        return undecided

    async def _by_rows(self, several: Sequence[Facts], fields: frozenset[str]) -> list[Facts]:
        """Test messages by columns of their rows, as `_undecided`. A thread does it, because header fields may be long."""
        async with self._concurrency.search_rows:
            undecided = await asyncio.to_thread(self._tested, await self._with_rows(several, fields))
        return [Facts(facts.index, self._view) for facts in undecided]

    def _tested(self, several: Sequence[Facts]) -> list[Facts]:
        """Test messages; note those that match, return those that cannot be decided yet."""
        undecided: list[Facts] = []
        for facts in several:
            outcome = self._test(facts)
            if outcome:
                self._found.append(facts.index)
            elif outcome is None:
                undecided.append(facts)
        return undecided

    async def _with_rows(self, several: Sequence[Facts], fields: frozenset[str]) -> list[Facts]:
        """Load these columns; messages that were removed are left out."""
        by_uid = {self._view.uid(facts.index): facts for facts in several}
        found: list[Facts] = []
        rows = self._backend.messages.fetch(self._selected.mailbox, list(by_uid), fields)
        async for row in rows:
            facts = by_uid[row.uid]
            facts.row = row
            found.append(facts)
        return found

    async def _by_content(self, several: Sequence[Facts]) -> None:
        """Decide by headers or bodies."""
        for group in _groups(several):
            if not self._needs_body:
                await self._by_header(group)
            elif _is_small(group[0]):
                async with self._concurrency.search_small_bodies:
                    blobs = [_row(facts).blob_id for facts in group]
                    bodies = await self._backend.blobs.read_many(blobs)
                    self._found.extend(await asyncio.to_thread(self._matching, group, bodies))
            else:
                async with self._concurrency.search_large_bodies:
                    bodies = await self._large_body(_row(group[0]).blob_id)
                    self._found.extend(await asyncio.to_thread(self._matching, group, bodies))

    async def _large_body(self, blob_id: ObjectId) -> dict[ObjectId, bytes]:
        try:
            return {blob_id: await read_blob(self._backend.blobs, blob_id)}
        except BodyMissing as error:
            _log.error("imap.body_missing", error=str(error))
            return {}

    async def _by_header(self, several: Sequence[Facts]) -> None:
        for facts in several:
            try:
                header = await read_header(self._backend.blobs, _row(facts)) or b""
            except BodyMissing as error:
                _log.error("imap.body_missing", error=str(error))
                continue
            facts.content = MessageContent(header, "")
            self._found.extend(await asyncio.to_thread(self._matching, (facts,), {}))

    def _matching(self, several: Sequence[Facts], bodies: Mapping[ObjectId, bytes]) -> list[int]:
        """Return the indexes of the messages that match, by their content. Runs in a thread."""
        found: list[int] = []
        for facts in several:
            row = _row(facts)
            facts.content = facts.content or _content(row, bodies.get(row.blob_id, b""))
            if self._test(facts):
                found.append(facts.index)
            facts.content = None
        return found


def _groups(several: Sequence[Facts]) -> Iterator[list[Facts]]:
    """Give the messages that are read together: small ones up to so many octets, large ones alone."""
    group: list[Facts] = []
    octets = 0
    for facts in several:
        size = _row(facts).size
        full = len(group) >= _BODIES_AT_A_TIME or octets + size > _OCTETS_AT_A_TIME
        if group and (full or not _is_small(facts) or not _is_small(group[0])):
            yield group
            group, octets = [], 0
        group.append(facts)
        octets += size
    if group:
        yield group


def _row(facts: Facts) -> Message:
    assert facts.row is not None  # rows come before content
    return facts.row


def _is_small(facts: Facts) -> bool:
    row = _row(facts)
    return row.size - len(row.prefix) <= SMALL_BODY


def _content(row: Message, body: bytes) -> MessageContent:
    span = PartIndex.decode(row.part_index).locate("HEADER")
    end = span.end if span else 0
    header = row.prefix[:end] + body[: max(0, end - len(row.prefix))]
    texts = (f"{part.name} {part.text}" for part in look_inside(row.prefix, body).leaves)
    return MessageContent(header, folded(header_text(header)), folded(" ".join(texts)))
