"""The stages of the pipeline in one process on a real store, with a list instead of the broker.

What is shown here is what rows, mailboxes and tickets look like after each step; the broker's own behaviour, and
the services as processes, are shown in libs/broker and tests/e2e.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from bson import ObjectId

from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.delivery.handler import DeliveryHandler
from mailyard.delivery.settings import DeliverySettings
from mailyard.directory.directory import CacheLimits, Directory
from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.passwords import Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.rows import ensure_schema as ensure_mailboxes
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket
from mailyard.router.bouncer import Bouncer
from mailyard.router.routinghandler import RoutingHandler
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import now_utc
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.ledger.ledger import Ledger, hour_of
from mailyard.spool.queue.spool import Spool
from mailyard.spool.schema import ensure_schema as ensure_spool
from mailyard.store.body import Body
from mailyard.store.client import Row, Store

PASSWORD = "correct horse battery staple"
BODY = b"From: a@there.test\r\nTo: b@one.test\r\nSubject: hello\r\nMessage-ID: <1@there.test>\r\n\r\nbody\r\n"


@dataclass
class MemoryBroker:
    """Stands in for the broker's publishing side: what was published lies here, by queue."""

    queues: dict[Queue, list[Ticket]] = field(default_factory=lambda: defaultdict(list))

    async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
        self.queues[queue] += [Ticket.FromString(ticket.SerializeToString()) for ticket in tickets]

    def take(self, queue: Queue) -> list[Ticket]:
        return self.queues.pop(queue, [])


@dataclass
class Woken:
    """Stands in for the mailbox events."""

    events: list[MailboxEvent] = field(default_factory=list)

    async def publish(self, events: Sequence[MailboxEvent]) -> None:
        self.events += events


class Flow:
    """A tenant `one` with domain one.test (ann, bob; both@ is an alias of both), a tenant `two` with two.test (cat)."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.broker = MemoryBroker()
        self.woken = Woken()
        publisher = cast("TicketPublisher", self.broker)
        router = RouterSettings(hostname="mail.one.test")
        self.spool = Spool(store, publisher, stage="test")
        self.directory = Directory(store, CacheLimits(0.0, 0.0))
        self.intake = RoutingHandler(store, self.directory, publisher)
        self.deliverer = DeliveryHandler(store, cast("Any", self.woken), self.spool, DeliverySettings())
        self.bouncer = Bouncer(store, self.spool, router)
        self.mailboxes = Mailboxes(store)
        self.messages = Messages(store)

    async def prepare(self) -> None:
        await ensure_spool(self.store)
        await ensure_mailboxes(self.store)
        await ensure_indexes(self.store)
        passwords = SimpleNamespace(hash=_hash)
        provisioning = Provisioning(self.store, cast("Passwords", passwords), now_utc)
        for tenant, names in (("one", ("ann", "bob")), ("two", ("cat",))):
            await provisioning.add_tenant(tenant)
            await provisioning.add_domain(tenant, f"{tenant}.test")
            for name in names:
                await provisioning.add_account(tenant, f"{name}@{tenant}.test", PASSWORD)
        await provisioning.add_alias("one", "both@one.test", ["ann@one.test", "bob@one.test"])
        await provisioning.add_alias("one", "away@one.test", ["cat@two.test", "x@remote.test"])
        await provisioning.add_alias("one", "out@one.test", ["x@remote.test"])
        await provisioning.add_alias("one", "pair@one.test", ["x@remote.test", "y@remote.test"])

    async def accept(
        self,
        *addresses: str,
        sender: str = "a@there.test",
        body: bytes = BODY,
        notify: str = "",
        orcpt: str = "",
        envid: str = "",
        ret: str = "",
    ) -> str:
        """Accept a message as an edge does, with tenants as the domains' owners."""
        recipients = tuple(
            Recipient(address=each, tenant=_tenant(each), notify=notify, orcpt=orcpt) for each in addresses
        )
        return await self.spool.accept(
            Acceptance(
                sender=sender,
                recipients=recipients,
                tenant=recipients[0].tenant,
                source=Source.MX,
                client=TransferringClient("192.0.2.1", "there.test", "ESMTP"),
                body=Body(ObjectId(), len(body), body),
                envid=envid,
                ret=ret,
                prefix=lambda spool_id, _: f"Received: by mail.one.test id {spool_id}\r\n".encode(),
            )
        )

    async def route(self) -> None:
        await self.intake.handle(self.broker.take(Queue.SMTP_IN_ROUTE))

    async def deliver(self, action: "Action.ValueType" = Action.ACTION_PASS) -> list[Ticket]:
        """Give what was routed to mailboxes to delivery, with a verdict."""
        tickets = self.broker.take(Queue.LOCAL_FILTER) + self.broker.take(Queue.LOCAL_DELIVER)
        for ticket in tickets:
            ticket.verdict.action = action
        if tickets:
            await self.deliverer.handle(tickets)
        return tickets

    async def account(self, address: str) -> ObjectId:
        row = await self.store.collection("accounts").find_one({"address": address})
        assert row is not None, address
        return cast("ObjectId", row["_id"])

    async def found(self, address: str, mailbox: str = "INBOX") -> list[int]:
        """Return the UIDs in a mailbox of an account."""
        account = await self.account(address)
        await self.mailboxes.ensure_defaults(account)
        return [
            state.uid for state in await self.messages.flag_states(await self.mailboxes.get(account, mailbox))
        ]

    async def row(self, row_id: str) -> Row:
        row = await self.store.collection("spool").find_one({"_id": row_id})
        assert row is not None, row_id
        return row

    async def inbox(self, address: str) -> list[bytes]:
        """Return the bodies in the INBOX of an account."""
        account = await self.account(address)
        await self.mailboxes.ensure_defaults(account)
        inbox = await self.mailboxes.get(account, "INBOX")
        uids = [state.uid for state in await self.messages.flag_states(inbox)]
        blobs = [message.blob_id async for message in self.messages.fetch(inbox, uids, {"blob_id"})]
        return [await self.spool.blobs.read(blob) for blob in blobs]

    async def reports_to(self, address: str) -> list[bytes]:
        """Make the reports that are due, deliver them, and return what is in an account's INBOX."""
        while await self.bouncer.work():
            pass
        await self.route()
        await self.deliver()
        return await self.inbox(address)

    async def unaccounted(self) -> dict[str, int]:
        now = hour_of(now_utc())
        lines = await Ledger(self.store).hourly_lines(now - timedelta(hours=2), now + timedelta(hours=1))
        return {line.tenant: line.unaccounted for line in lines}

    async def became(self) -> dict[str, int]:
        """Return recipients of all tenants by what became of them; zeros left out."""
        now: datetime = hour_of(now_utc())
        lines = await Ledger(self.store).hourly_lines(now - timedelta(hours=2), now + timedelta(hours=1))
        totals: dict[str, int] = defaultdict(int)
        for line in lines:
            for column, count in line.became.items():
                totals[column] += count
        return {column: count for column, count in totals.items() if count}


async def _hash(password: str) -> str:
    return f"not a hash of {len(password)} characters"


def _tenant(address: str) -> str:
    return address.split("@")[1].split(".", maxsplit=1)[0]
