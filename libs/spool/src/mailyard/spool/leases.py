"""At most one sender at a time to the outside: a leg is claimed before SMTP is spoken for it (design: leased).

A claim is refused to a ticket that is not the row's newest, and while another claim holds. Claims that nobody renews
end by themselves; then the reconciler releases the leg again.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import Clock, now_utc
from mailyard.spool.ids import row_id
from mailyard.spool.row import COLLECTION, Route, State
from mailyard.store.client import Store, unavailable_when_away

LEASE = timedelta(minutes=3)


class Leases:
    """Claims of one sending process."""

    def __init__(self, store: Store, *, clock: Clock = now_utc, length: timedelta = LEASE) -> None:
        self._store = store
        self._clock = clock
        self._length = length
        self._owner = ObjectId()

    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Claim legs; return one ticket for each that is ours now. Two commands, however many they are.

        Raises:
            Unavailable: the store is away.

        """
        if not tickets:
            return []
        token = ObjectId()
        until = self._clock() + self._length
        rows = self._store.collection(COLLECTION)
        with unavailable_when_away():
            await rows.bulk_write([self._claim(ticket, token, until) for ticket in tickets], ordered=False)
            ids = [row_id(ticket.spool_id, ticket.leg) for ticket in tickets]
            held = {
                row["_id"] async for row in rows.find({"_id": {"$in": ids}, "lease.token": token}, {"_id": 1})
            }
        by_row = {row_id(ticket.spool_id, ticket.leg): ticket for ticket in sorted(tickets, key=_epoch)}
        return [ticket for row, ticket in by_row.items() if row in held]

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
        query = {"_id": {"$in": ids}, "state": State.ACTIVE, "lease.owner": self._owner}
        with unavailable_when_away():
            ours = {row["_id"] async for row in self._store.collection(COLLECTION).find(query, {"_id": 1})}
        return [ticket for ticket in tickets if row_id(ticket.spool_id, ticket.leg) in ours]

    def _claim(self, ticket: Ticket, token: ObjectId, until: object) -> UpdateOne:
        free: list[dict[str, Any]] = [{"lease": {"$exists": False}}, {"lease.until": {"$lt": self._clock()}}]
        return UpdateOne(
            {
                "_id": row_id(ticket.spool_id, ticket.leg),
                "state": State.ACTIVE,
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


def _epoch(ticket: Ticket) -> int:
    return ticket.epoch
