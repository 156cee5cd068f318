"""Takes accepted messages from the SMTP-IN queue and sends each on its way: the hot path of the router."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from mailyard.broker.pipeline import FIRST_QUEUE, Queue, Route
from mailyard.broker.publisher import TicketPublisher
from mailyard.directory.directory import Directory
from mailyard.directory.model import Destination, LocalAccount, Remote, Unknown
from mailyard.message.address import Address, AddressError
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router.routing import Ends, Nowhere, Several, Straight, bounded, decide, too_many
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.outcome import Report
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.routed import Routed, mark_remote
from mailyard.spool.queue.split import Split, split
from mailyard.spool.timeline import note
from mailyard.store.client import Store

_POISON = "451 4.3.0 internal error in the router"
_EXPANDED_AT_ONCE = 100  # recipients; aliases may lead each to a thousand addresses

_Cached = Mapping[str, Ends | None]  # by address; None: it must be looked up


class Intake:
    """Routes batches of tickets."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        publisher: TicketPublisher,
        *,
        most_targets: int = 10_000,
        clock: Clock = now_utc,
    ) -> None:
        """Route by `directory`; recipients that lead a message to more than `most_targets` addresses fail."""
        self._store = store
        self._directory = directory
        self._publisher = publisher
        self._outcomes = Outcomes(store, clock=clock, durable=False)
        self._most_targets = most_targets
        self._clock = clock
        self._routed = counter("mailyard_router_routed_total")

    async def handle(self, tickets: Sequence[Ticket]) -> None:
        """Route tickets, which it changes; when it returns they stand in the next queue, or their rows say why not.

        Raises:
            Unavailable: the store or the broker is unreachable; call again with the tickets as they were.

        """
        texts = {each.address for ticket in tickets for each in ticket.recipients}
        parsed = {text: _address(text) for text in texts}
        cached = {text: self._peek(address) if address else _NO_ADDRESS for text, address in parsed.items()}
        for group in _groups(tickets, cached):
            destinations = await self._destinations(group, parsed, cached)
            for part in _parts(group, destinations, self._most_targets):
                await self._route(part)

    async def _route(self, tickets: Sequence[tuple[Ticket, list[Ends]]]) -> None:
        now = self._clock()
        onward: dict[Queue, list[Ticket]] = defaultdict(list)
        remote: list[Routed] = []
        splits: list[Split] = []
        ended: list[Report] = []
        for ticket, destinations in tickets:
            match decide(ticket, destinations):
                case Straight() as way:
                    _send_straight(ticket, way, now)
                    onward[FIRST_QUEUE[way.leg.route]].append(ticket)
                    if way.leg.route is Route.REMOTE:
                        remote.append(Routed(ticket, way.renamed))
                case Several() as ways:
                    note(ticket, now, "router", "message.split", f"{len(ways.legs)} legs")
                    failed = {position + 1: outcomes for position, outcomes in ways.failed}
                    splits.append(Split(ticket, ways.legs, failed, ways.expanded))
                case Nowhere(outcomes=outcomes):
                    note(ticket, now, "router", "message.failed", next(iter(outcomes.values())).text)
                    ended.append(Report(ticket, outcomes))
        for route, leg in await split(self._store, splits, now):
            note(leg, now, "router", "message.routed", _way(route, leg.site))
            onward[FIRST_QUEUE[route]].append(leg)
        await self._outcomes.report_many(ended)
        await mark_remote(self._store, remote)
        for queue, batch in onward.items():
            await self._publisher.publish(queue, batch)
            self._routed.labels(queue).inc(len(batch))

    async def poison(self, ticket: Ticket, error: Exception) -> None:
        """Put off a message that made the router fail, with the reason in its row."""
        now = self._clock()
        note(ticket, now, "router", "message.deferred", repr(error)[:200])
        await self._outcomes.report_many([defer(ticket, None, now, "4.3.0", _POISON)])

    async def _destinations(
        self, tickets: Sequence[Ticket], parsed: Mapping[str, Address | None], cached: _Cached
    ) -> list[list[Ends]]:
        """Resolve all recipients of all tickets: from the cache, or in few queries.

        What aliases lead to is bounded for each message, also while it is gathered. A group of several tickets is looked
        up in one step, so the limit while gathering is for a ticket that is alone in its group: one message never takes
        the room of another.
        """
        texts = dict.fromkeys(each.address for ticket in tickets for each in ticket.recipients)
        missing = [text for text in texts if cached[text] is None]
        found: dict[str, Ends] = {}
        room = self._most_targets * len(tickets)
        for start in range(0, len(missing), _EXPANDED_AT_ONCE):
            chunk = missing[start : start + _EXPANDED_AT_ONCE]
            addresses = [parsed[text] for text in chunk]
            ways = await self._directory.expand_many([each for each in addresses if each is not None])
            for text, ends in zip(chunk, ways, strict=True):
                fits = len(ends) <= room or len(tickets) > 1
                found[text] = ends if fits else (Destination(ends[0].address, too_many(self._most_targets)),)
                room -= len(ends) if fits else 0
        return [
            bounded(
                [cached[each.address] or found[each.address] for each in ticket.recipients],
                self._most_targets,
            )
            for ticket in tickets
        ]

    def _peek(self, address: Address) -> Ends | None:
        resolution = self._directory.resolve_cached(address)
        if isinstance(resolution, LocalAccount | Remote | Unknown):
            return (Destination(address, resolution),)
        return None


_NO_ADDRESS = (
    Destination(Address("invalid", "invalid"), Unknown("not an address that mail can go to", "5.1.3")),
)


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None


def _groups(tickets: Sequence[Ticket], cached: _Cached) -> Iterator[list[Ticket]]:
    """Cut tickets into groups of few recipients that must be looked up, at least one ticket each.

    Each of them may lead to a thousand addresses: what a group holds in memory is bounded.
    """
    group: list[Ticket] = []
    count = 0
    for ticket in tickets:
        more = sum(cached[recipient.address] is None for recipient in ticket.recipients)
        if group and count + more > _EXPANDED_AT_ONCE:
            yield group
            group, count = [], 0
        group.append(ticket)
        count += more
    if group:
        yield group


def _parts(
    tickets: Sequence[Ticket], destinations: Sequence[list[Ends]], most: int
) -> Iterator[list[tuple[Ticket, list[Ends]]]]:
    """Cut routed tickets into parts of bounded targets, at least one ticket each."""
    part: list[tuple[Ticket, list[Ends]]] = []
    count = 0
    for ticket, ends in zip(tickets, destinations, strict=True):
        more = sum(map(len, ends))
        if part and count + more > most:
            yield part
            part, count = [], 0
        part.append((ticket, ends))
        count += more
    if part:
        yield part


def _send_straight(ticket: Ticket, way: Straight, now: datetime) -> None:
    del ticket.recipients[:]
    ticket.recipients.extend(way.leg.targets)
    ticket.site = way.leg.site
    ticket.expanded = way.expanded
    note(ticket, now, "router", "message.routed", _way(way.leg.route, way.leg.site))


def _way(route: Route, site: str) -> str:
    return f"{route} {site}".strip()
