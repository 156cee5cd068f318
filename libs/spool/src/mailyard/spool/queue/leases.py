"""Leases of remote legs: a leg is claimed before it is sent, so that it has one sender at a time.

A claim is refused to a ticket that is not the row's newest, and while another claim holds. Claims that nobody renews
end by themselves; then the reconciler releases the leg again. A store that was unreachable let nobody renew, and the
transfers went on: after an outage the reconciler leaves leases alone until their holders had time to renew or to report.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import Clock, now_utc
from mailyard.spool.ids import row_id
from mailyard.spool.row import COLLECTION, RowState
from mailyard.store.client import Store, unavailable_when_away

LEASE = timedelta(minutes=3)
OUTAGE = timedelta(seconds=60)  # without a look at the store: long enough that a lease may have ended by it
RECOVERY = timedelta(seconds=90)  # holders renew every LEASE / 4, and report again within seconds


class OutageWatch:
    """Decides from the times of successful reads of the store whether an expired lease proves anything: pure."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._usual = timedelta()
        self._until: datetime | None = None

    def trusts_leases(self, now: datetime) -> bool:
        """Note a successful read of the store; return whether the holder of an expired lease has given it up.

        This is not known at the first read, nor for `RECOVERY` after a pause that is long and much longer than the last one.
        """
        pause = None if self._last is None else now - self._last
        if pause is None or pause > max(OUTAGE, 3 * self._usual):
            self._until = now + RECOVERY
        if pause is not None:
            self._usual = pause
        self._last = now
        return self._until is None or now >= self._until


class Leases:
    """Claims of one sending process."""

    def __init__(self, store: Store, *, clock: Clock = now_utc, length: timedelta = LEASE) -> None:
        self._store = store
        self._clock = clock
        self._length = length
        self._owner = ObjectId()

    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Claim legs; return one ticket for each that this call has claimed. Two commands, however many they are.

        Targets that have an outcome by now, from a report that came late, are left out: nobody is sent to again.

        Raises:
            Unavailable: the store is unreachable.

        """
        if not tickets:
            return []
        token = ObjectId()
        until = self._clock() + self._length
        rows = self._store.collection(COLLECTION)
        with unavailable_when_away():
            await rows.bulk_write([self._claim(ticket, token, until) for ticket in tickets], ordered=False)
            ids = [row_id(ticket.spool_id, ticket.leg) for ticket in tickets]
            ours = rows.find({"_id": {"$in": ids}, "lease.token": token}, {"outcomes": 1})
            ended = {row["_id"]: frozenset(row.get("outcomes", ())) async for row in ours}
        by_row = {
            row_id(ticket.spool_id, ticket.leg): ticket for ticket in sorted(tickets, key=attrgetter("epoch"))
        }
        return [_without(ticket, ended[row]) for row, ticket in by_row.items() if row in ended]

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        """Hold on to claims that `claim` granted, as long as nobody else has claimed the leg.

        Raises:
            Unavailable: the store is unreachable; try again before the claims end.

        """
        if not tickets:
            return
        with unavailable_when_away():
            await self._store.collection(COLLECTION).update_many(
                {
                    "_id": {"$in": [row_id(ticket.spool_id, ticket.leg) for ticket in tickets]},
                    "lease.owner": self._owner,
                },
                {"$set": {"lease.until": self._clock() + self._length}},
            )

    async def held(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Return the tickets whose legs are still claimed by this process and not ended.

        Raises:
            Unavailable: the store is unreachable.

        """
        ids = [row_id(ticket.spool_id, ticket.leg) for ticket in tickets]
        query = {"_id": {"$in": ids}, "state": RowState.ACTIVE, "lease.owner": self._owner}
        with unavailable_when_away():
            ours = {row["_id"] async for row in self._store.collection(COLLECTION).find(query, {"_id": 1})}
        return [ticket for ticket in tickets if row_id(ticket.spool_id, ticket.leg) in ours]

    def _claim(self, ticket: Ticket, token: ObjectId, until: object) -> UpdateOne:
        free: list[dict[str, Any]] = [{"lease": {"$exists": False}}, {"lease.until": {"$lt": self._clock()}}]
        return UpdateOne(
            {
                "_id": row_id(ticket.spool_id, ticket.leg),
                "state": RowState.ACTIVE,
                "epoch": ticket.epoch,
                "$or": free,
            },
            {
                "$set": {
                    "lease": {"owner": self._owner, "token": token, "until": until},
                    "route": Route.REMOTE,
                    "site": ticket.site,
                }
            },
        )


def _without(ticket: Ticket, ended: frozenset[str]) -> Ticket:
    """Leave out the targets that have an outcome."""
    if not ended:
        return ticket
    left = Ticket()
    left.CopyFrom(ticket)
    del left.recipients[:]
    left.recipients.extend(target for target in ticket.recipients if str(target.index) not in ended)
    left.attempt = max(ticket.attempt, 1)  # a row that does not end at once is counted target by target
    return left
