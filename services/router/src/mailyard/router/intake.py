"""Takes accepted messages from the SMTP-IN queue and sends each on its way: the hot path of the router."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.topology import Queue
from mailyard.directory.directory import Directory
from mailyard.directory.model import Destination, LocalAccount, Remote, Unknown
from mailyard.message.address import Address, AddressError
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router.routing import Nowhere, Several, Straight, decide
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.outcome import Report
from mailyard.spool.outcomes import Outcomes
from mailyard.spool.putoff import put_off
from mailyard.spool.row import Route
from mailyard.spool.split import Split, split
from mailyard.spool.timeline import note
from mailyard.store.client import Store

_FILTERS = {Route.LOCAL: Queue.LOCAL_FILTER, Route.REMOTE: Queue.REMOTE_FILTER}
_POISON = "451 4.3.0 internal error in the router"


class Intake:
    """Routes batches of tickets."""

    def __init__(
        self, store: Store, directory: Directory, publisher: TicketPublisher, *, clock: Clock = now_utc
    ) -> None:
        self._store = store
        self._directory = directory
        self._publisher = publisher
        self._outcomes = Outcomes(store, clock=clock, durable=False)
        self._clock = clock
        self._routed = counter("mailyard_router_routed_total")

    async def handle(self, tickets: Sequence[Ticket]) -> None:
        """Route tickets; when it returns they stand in the next queue, or their rows say why not.

        Raises:
            Unavailable: the store or the broker is away; nothing is lost by calling again.

        """
        now = self._clock()
        onward: dict[Queue, list[Ticket]] = defaultdict(list)
        splits: list[Split] = []
        failures: dict[str, Several] = {}
        ended: list[Report] = []
        for ticket, destinations in zip(tickets, await self._destinations(tickets), strict=True):
            match decide(ticket, destinations):
                case Straight() as way:
                    _send_straight(ticket, way, now)
                    onward[_FILTERS[way.leg.route]].append(ticket)
                case Several() as ways:
                    note(ticket, now, "router", "message.split", f"{len(ways.legs)} legs")
                    splits.append(Split(ticket, ways.legs))
                    failures[ticket.spool_id] = ways
                case Nowhere(outcomes=outcomes):
                    note(ticket, now, "router", "message.failed", next(iter(outcomes.values())).text)
                    ended.append(Report(ticket, outcomes))
        for route, leg in await split(self._store, splits, now):
            failed = dict(failures[leg.spool_id].failed).get(leg.leg - 1)
            if failed is not None:
                note(leg, now, "router", "message.failed", next(iter(failed.values())).text)
                ended.append(Report(leg, failed))
            else:
                note(leg, now, "router", "message.routed", _way(route, leg.site))
                onward[_FILTERS[route]].append(leg)
        await self._outcomes.report_many(ended)
        for queue, batch in onward.items():
            await self._publisher.publish(queue, batch)
            self._routed.labels(queue).inc(len(batch))

    async def poison(self, ticket: Ticket, error: Exception) -> None:
        """Put off a message that made the router fail, with the reason in its row."""
        now = self._clock()
        note(ticket, now, "router", "message.deferred", repr(error)[:200])
        await self._outcomes.report_many([put_off(ticket, None, now, "4.3.0", _POISON)])

    async def _destinations(self, tickets: Sequence[Ticket]) -> list[list[tuple[Destination, ...]]]:
        """Resolve all recipients of all tickets: from the cache, or in few queries."""
        parsed = {each.address: _address(each.address) for ticket in tickets for each in ticket.recipients}
        known = {text: self._peek(address) for text, address in parsed.items() if address is not None}
        missing = [text for text, ends in known.items() if ends is None]
        if missing:
            addresses = [parsed[text] for text in missing]
            found = await self._directory.expand_many([each for each in addresses if each is not None])
            known.update(zip(missing, found, strict=True))
        return [[known.get(each.address) or _NO_ADDRESS for each in ticket.recipients] for ticket in tickets]

    def _peek(self, address: Address) -> tuple[Destination, ...] | None:
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


def _send_straight(ticket: Ticket, way: Straight, now: datetime) -> None:
    del ticket.recipients[:]
    ticket.recipients.extend(way.leg.targets)
    ticket.site = way.leg.site
    ticket.expanded = way.expanded
    note(ticket, now, "router", "message.routed", _way(way.leg.route, way.leg.site))


def _way(route: Route, site: str) -> str:
    return f"{route} {site}".strip()
