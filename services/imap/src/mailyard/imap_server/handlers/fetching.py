r"""FETCH and UID FETCH (RFC 3501, section 6.4.5).

UIDs and flags come from the session's view, ENVELOPE and the like from columns of the rows, octets from the bodies. Only
what the items need is read.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from mailyard.imap.commands.fetch import BodyItem, FetchCommand, FetchItem, Item, Rfc822Item
from mailyard.imap.grammar.dates import encode_date_time
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, no, ok
from mailyard.imap.wellknown import SEEN, FlagChange
from mailyard.imap_server.handlers.messagesets import GONE, in_portions, resolve
from mailyard.imap_server.session.responsewriter import ResponsePart, ResponseWriter, section_parts
from mailyard.imap_server.session.session import ImapSession
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.model import Message
from mailyard.mailbox.octets import HEADER_FIELDS, OCTET_FIELDS, SMALL_BODY

_ROWS_AT_A_TIME = 1_000
_REPLIES_AT_A_TIME = 100
_OCTETS_AT_A_TIME = 1_048_576

_FIELDS: dict[Item, frozenset[str]] = {
    Item.UID: frozenset(),
    Item.FLAGS: frozenset(),
    Item.INTERNALDATE: frozenset({"internal_date"}),
    Item.SIZE: frozenset({"size"}),
    Item.ENVELOPE: frozenset({"envelope"}),
    Item.BODYSTRUCTURE: frozenset({"bodystructure"}),
    Item.BODY: frozenset({"imap_body"}),
}


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """Items, columns and effects of a FETCH."""

    items: tuple[FetchItem, ...]
    fields: frozenset[str]  # columns of the rows; none: the view knows all items
    reads_octets: bool
    sets_seen: bool

    @classmethod
    def of(cls, command: FetchCommand, *, read_only: bool) -> Self:
        """Return the plan of a command; the response to UID FETCH always has the UID (section 6.4.8)."""
        items = command.items
        if command.by_uid and Item.UID not in items:
            items = (Item.UID, *items)
        octets = [item for item in items if not isinstance(item, Item)]
        return cls(
            items,
            frozenset().union(*map(_fields, items)),
            bool(octets),
            not read_only and any(item.sets_seen for item in octets),
        )


def _fields(item: FetchItem) -> frozenset[str]:
    if isinstance(item, Item):
        return _FIELDS[item]
    return HEADER_FIELDS if item.section.fields else OCTET_FIELDS


async def fetch(session: ImapSession, command: FetchCommand) -> Completion:
    """Execute FETCH. Messages that were removed meanwhile are left out; FETCH by number then ends with EXPUNGEISSUED."""
    selected = session.selection
    indexes = resolve(selected.view, command.numbers, by_uid=command.by_uid)
    plan = FetchPlan.of(command, read_only=selected.read_only)
    if not plan.fields:
        await session.write_all(_lines(selected.view, plan.items, indexes))
        _mark_sent(selected.view, plan, indexes)
        return ok("FETCH completed")
    await _read_ahead(session, command, plan, indexes)
    fetched = _FromRows(session, plan)
    await fetched.run(indexes)
    if session.events.is_empty:
        session.fetch_ahead.forget()
    _mark_sent(selected.view, plan, indexes)
    if fetched.lost:
        return no("Some messages cannot be read", "SERVERBUG")
    if fetched.gone and not command.by_uid:
        return GONE
    return ok("FETCH completed")


async def _read_ahead(
    session: ImapSession, command: FetchCommand, plan: FetchPlan, indexes: Sequence[range]
) -> None:
    """Read the messages of this command and of the commands behind it together, if each fetches one message."""
    view, ahead = session.selection.view, session.fetch_ahead
    uids = [view.uid(index) for span in indexes for index in span[:2]]
    if ahead.has(uids, plan.fields):
        return
    ahead.forget()
    if len(uids) != 1 or not plan.reads_octets or not command.by_uid:
        return
    following = (view.by_uid(each.numbers) for each in session.events.followers(command))
    uids += [view.uid(spans[0].start) for spans in following if [len(span) for span in spans] == [1]]
    if len(uids) > 1:
        await ahead.load(session.selection.mailbox, uids, plan.fields)


def _mark_sent(view: MessageView, plan: FetchPlan, indexes: Sequence[range]) -> None:
    if Item.FLAGS in plan.items:
        view.mark_sent(indexes)


def _lines(view: MessageView, items: Sequence[FetchItem], indexes: Sequence[range]) -> Iterator[bytes]:
    """Give the responses for items that the view knows."""
    for span in indexes:
        for index in span:
            values = b" ".join(_view_item(view, index, item) for item in items)
            yield responses.fetched(index + 1, values)


def _view_item(view: MessageView, index: int, item: FetchItem) -> bytes:
    if item is Item.UID:
        return b"UID %d" % view.uid(index)
    return b"FLAGS " + view.encoded_flags(index)


class _FromRows:
    """A FETCH that reads rows, a batch at a time."""

    def __init__(self, session: ImapSession, plan: FetchPlan) -> None:
        self.gone = 0  # messages whose row was removed
        self.lost = 0  # messages whose row is there and whose body is not
        self._session = session
        self._selected = session.selection
        self._view = self._selected.view
        self._plan = plan
        self._writer = ResponseWriter(session)

    async def run(self, indexes: Sequence[range]) -> None:
        """Write the responses for the messages with these indexes."""
        for portion in in_portions(indexes, _ROWS_AT_A_TIME):
            await self._portion(self._view.uids(portion))

    async def _portion(self, uids: Sequence[int]) -> None:
        group, octets, found = list[Message](), 0, 0
        async for message in self._rows(uids):
            found += 1
            group.append(message)
            octets += len(message.envelope) + len(message.bodystructure) + len(message.imap_body)
            octets += min(message.size, SMALL_BODY) if self._plan.reads_octets else 0
            if len(group) >= _REPLIES_AT_A_TIME or octets >= _OCTETS_AT_A_TIME:
                await self._reply(group)
                group, octets = [], 0
        await self._reply(group)
        self.gone += len(uids) - found

    async def _rows(self, uids: Sequence[int]) -> AsyncIterator[Message]:
        ahead = self._session.fetch_ahead
        if ahead.has(uids, self._plan.fields):
            for message in ahead.rows(uids):
                yield message
            return
        async for message in self._session.backend.messages.fetch(
            self._selected.mailbox, uids, self._plan.fields
        ):
            yield message

    async def _reply(self, group: Sequence[Message]) -> None:
        newly_seen = await self._set_seen(group) if self._plan.sets_seen else frozenset()
        replies = [self._parts(message, with_flags=message.uid in newly_seen) for message in group]
        self.lost += await self._writer.write(replies)

    async def _set_seen(self, group: Sequence[Message]) -> frozenset[int]:
        r"""Set \Seen where it is not set; return the UIDs of those messages."""
        unseen = [message.uid for message in group if not self._is_seen(message.uid)]
        if not unseen:
            return frozenset()
        result = await self._session.backend.messages.store(
            self._selected.mailbox, unseen, FlagChange.ADD, frozenset({SEEN}), origin=self._session.origin
        )
        self._selected.apply_own(result.changed)
        return frozenset(unseen)

    def _is_seen(self, uid: int) -> bool:
        index = self._view.index_of(uid)
        return index is None or self._view.has_flag(index, SEEN)

    def _parts(self, message: Message, *, with_flags: bool) -> list[ResponsePart]:
        """Return the response for one message."""
        index = self._view.index_of(message.uid)
        assert index is not None  # it was asked for by its index
        items = self._plan.items
        if with_flags and Item.FLAGS not in items:
            items = (*items, Item.FLAGS)
        parts: list[ResponsePart] = [b"* %d FETCH (" % (index + 1)]
        for item in items:
            if len(parts) > 1:
                parts.append(b" ")
            parts += self._item(index, message, item)
        parts.append(b")\r\n")
        return parts

    def _item(self, index: int, message: Message, item: FetchItem) -> list[ResponsePart]:
        match item:
            case Item.UID | Item.FLAGS:
                return [_view_item(self._view, index, item)]
            case Item.INTERNALDATE:
                return [b"INTERNALDATE " + encode_date_time(message.internal_date)]
            case Item.SIZE:
                return [b"RFC822.SIZE %d" % message.size]
            case Item.ENVELOPE:
                return [b"ENVELOPE " + message.envelope]
            case Item.BODYSTRUCTURE:
                return [b"BODYSTRUCTURE " + message.bodystructure]
            case Item.BODY:
                return [b"BODY " + message.imap_body]
            case BodyItem() | Rfc822Item():
                return section_parts(message, item)
