"""Marking rows that go to a remote site as they are, before their tickets are published.

A row with the route `edge` is in the router's queue or on its way to mailboxes, and is judged by these queues alone: local mail
never waits for relay to be found lost. One command marks all rows of a batch. The mark does not wait for the disk: a row that
loses its mark is routed again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pymongo import UpdateOne, WriteConcern

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.spool.ids import row_id
from mailyard.spool.row import COLLECTION, RowState, routed_fields
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.watch import timed_write


@dataclass(frozen=True, slots=True)
class Routed:
    """A routed ticket; `renamed`: its targets do not follow from the recipients in its row."""

    ticket: Ticket
    renamed: bool


async def mark_remote(store: Store, routed: Sequence[Routed]) -> None:
    """Write the route of messages that are about to be published to the remote queues.

    Raises:
        Unavailable: the store is unreachable; mark again.

    """
    if not routed:
        return
    rows = store.db.get_collection(COLLECTION, write_concern=WriteConcern(w=1))
    with timed_write("route"), unavailable_when_away():
        await rows.bulk_write([_mark(each) for each in routed], ordered=False)


def _mark(routed: Routed) -> UpdateOne:
    ticket = routed.ticket
    changes: Row = {"route": Route.REMOTE, "site": ticket.site}
    if routed.renamed:
        changes = routed_fields(ticket, Route.REMOTE)
    current = {"state": RowState.ACTIVE, "epoch": ticket.epoch, "route": {"$ne": Route.REMOTE}}
    return UpdateOne({"_id": row_id(ticket.spool_id, ticket.leg)} | current, {"$set": changes})
