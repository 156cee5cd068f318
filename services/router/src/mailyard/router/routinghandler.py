"""Route accepted messages: take tickets from the SMTP-IN queue and publish each message or its legs to the next queue."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from mailyard.broker.pipeline import FIRST_QUEUE, Queue, Route, stage_of
from mailyard.broker.publisher import TicketPublisher
from mailyard.directory.directory import Directory
from mailyard.directory.model import Destination, LocalAccount, Remote, Unknown
from mailyard.message.address import Address, AddressError
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router.routing import Ends, Single, Split, Undeliverable, bounded, decide, too_many
from mailyard.runtime.batches import UNBOUNDED, batches
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.outcome import Report
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.routed import Routed, mark_remote
from mailyard.spool.queue.split import SplitMessage, split
from mailyard.spool.queue.stage import StageReports
from mailyard.spool.timeline import append_event
from mailyard.store.client import Store

_STAGE = stage_of(Queue.SMTP_IN_ROUTE)
_EXPANDED_AT_ONCE = 100  # recipients of one look-up; aliases may expand each to a thousand addresses

_Cached = Mapping[str, Ends | None]  # by address; None: it must be looked up


class RoutingHandler:
    """The handler of the router's queue."""

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
        self._reports = StageReports(_STAGE, Outcomes(store, clock=clock, durable=False), clock=clock)
        self.poison = self._reports.poison
        self._most_targets = most_targets
        self._clock = clock
        self._routed = counter("mailyard_router_routed_total")

    async def handle(self, tickets: Sequence[Ticket]) -> None:
        """Route tickets and change them; on return they are in the next queue, or their rows say why not.

        Raises:
            Unavailable: the store or the broker is unreachable; call again with the tickets as they were.

        """
        texts = {each.address for ticket in tickets for each in ticket.recipients}
        parsed = {text: _address(text) for text in texts}
        cached = {text: self._peek(address) if address else _NO_ADDRESS for text, address in parsed.items()}
        # Each recipient may expand to a thousand addresses: what a group holds in memory is bounded.
        for group in batches(
            tickets, lambda ticket: (_missing(ticket, cached), 0), _EXPANDED_AT_ONCE, UNBOUNDED
        ):
            destinations = await self._destinations(group, parsed, cached)
            routed = zip(group, destinations, strict=True)
            for part in batches(routed, _targets, self._most_targets, UNBOUNDED):
                await self._route(part)

    async def _route(self, tickets: Sequence[tuple[Ticket, list[Ends]]]) -> None:
        now = self._clock()
        onward: dict[Queue, list[Ticket]] = defaultdict(list)
        remote: list[Routed] = []
        splits: list[SplitMessage] = []
        ended: list[Report] = []
        for ticket, destinations in tickets:
            match decide(ticket, destinations):
                case Single() as single:
                    _become_leg(ticket, single, now)
                    onward[FIRST_QUEUE[single.leg.route]].append(ticket)
                    if single.leg.route is Route.REMOTE:
                        remote.append(Routed(ticket, single.renamed))
                case Split() as parts:
                    append_event(ticket, now, "router", "message.split", f"{len(parts.legs)} legs")
                    failed = {position + 1: outcomes for position, outcomes in parts.failed}
                    splits.append(SplitMessage(ticket, parts.legs, failed, parts.expanded))
                case Undeliverable(outcomes=outcomes):
                    append_event(ticket, now, "router", "message.failed", next(iter(outcomes.values())).text)
                    ended.append(Report(ticket, outcomes))
        for route, leg in await split(self._store, splits, now):
            append_event(leg, now, "router", "message.routed", _describe(route, leg.site))
            onward[FIRST_QUEUE[route]].append(leg)
        await self._reports.write(ended)
        await mark_remote(self._store, remote)
        for queue, batch in onward.items():
            await self._publisher.publish(queue, batch)
            self._routed.labels(queue).inc(len(batch))

    async def _destinations(
        self, tickets: Sequence[Ticket], parsed: Mapping[str, Address | None], cached: _Cached
    ) -> list[list[Ends]]:
        """Resolve all recipients of all tickets: from the cache, or in few queries.

        The targets of each message are bounded, also while aliases are expanded. A group of several tickets is looked
        up in one step, so the bound during expansion is for a ticket that is alone in its group: no message uses the
        share of another.
        """
        texts = dict.fromkeys(each.address for ticket in tickets for each in ticket.recipients)
        missing = [text for text in texts if cached[text] is None]
        found: dict[str, Ends] = {}
        left = self._most_targets * len(tickets)
        for start in range(0, len(missing), _EXPANDED_AT_ONCE):
            chunk = missing[start : start + _EXPANDED_AT_ONCE]
            addresses = [parsed[text] for text in chunk]
            expanded = await self._directory.expand_many([each for each in addresses if each is not None])
            for text, ends in zip(chunk, expanded, strict=True):
                fits = len(ends) <= left or len(tickets) > 1
                found[text] = ends if fits else (Destination(ends[0].address, too_many(self._most_targets)),)
                left -= len(ends) if fits else 0
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


def _missing(ticket: Ticket, cached: _Cached) -> int:
    """Return how many recipients must be looked up."""
    return sum(cached[recipient.address] is None for recipient in ticket.recipients)


def _targets(routed: tuple[Ticket, list[Ends]]) -> tuple[int, int]:
    return sum(map(len, routed[1])), 0


def _become_leg(ticket: Ticket, single: Single, now: datetime) -> None:
    del ticket.recipients[:]
    ticket.recipients.extend(single.leg.targets)
    ticket.site = single.leg.site
    ticket.expanded = single.expanded
    append_event(ticket, now, "router", "message.routed", _describe(single.leg.route, single.leg.site))


def _describe(route: Route, site: str) -> str:
    return f"{route} {site}".strip()
