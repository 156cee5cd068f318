"""A broker in memory, and messages in a real spool."""

from collections.abc import Sequence
from typing import Any, cast

from bson import ObjectId
from prometheus_client import REGISTRY

from mailyard.broker.connection import QueueDepth
from mailyard.broker.pipeline import Queue
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.queue.spool import Spool
from mailyard.spool.row import COLLECTION
from mailyard.store.body import Body
from mailyard.store.client import Row, Store

BODY = b"Subject: x\r\n\r\ntext\r\n"


class BrokerInMemory:
    """Keeps published tickets; every queue has the same depth."""

    def __init__(self, depth: QueueDepth | None = None) -> None:
        self.published: list[tuple[Queue, Ticket]] = []
        self._depth = depth or QueueDepth(0, 1)

    async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
        self.published += [(queue, Ticket.FromString(each.SerializeToString())) for each in tickets]

    async def depth(self, _queue: Queue) -> QueueDepth:
        return self._depth

    def addresses(self) -> list[tuple[Queue, list[str]]]:
        return [(queue, [each.address for each in ticket.recipients]) for queue, ticket in self.published]


async def accepted(
    store: Store,
    *addresses: str,
    sender: str = "s@there.test",
    body: bytes = BODY,
    notify: str = "",
    ret: str = "",
) -> Ticket:
    """Accept a message of tenant `one`; return its ticket."""
    broker = BrokerInMemory()
    await Spool(store, cast("Any", broker), stage="test").accept(
        Acceptance(
            sender=sender,
            recipients=tuple(Recipient(address=each, tenant="one", notify=notify) for each in addresses),
            tenant="one",
            source=Source.MX,
            client=TransferringClient("192.0.2.1", "there.test", "ESMTP"),
            body=Body(ObjectId(), len(body), body),
            prefix=lambda spool_id, _: f"Received: by test id {spool_id}\r\n".encode(),
            ret=ret,
        )
    )
    [(_, ticket)] = broker.published
    return ticket


async def row_of(store: Store, ticket: Ticket) -> Row:
    found = await store.collection(COLLECTION).find_one({"_id": ticket.spool_id})
    assert found is not None
    return found


def metric(name: str, **labels: str) -> float:
    """Return the present value of a metric; 0 while it has none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
