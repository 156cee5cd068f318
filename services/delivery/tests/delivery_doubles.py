"""A handler on a real store with an unconnected broker, and what the store says after its work."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Queue
from mailyard.delivery import handler
from mailyard.delivery.handler import DeliveryHandler
from mailyard.delivery.plan import AutomaticReply, Discard, FileInto, Redirect, Reject
from mailyard.delivery.settings import DeliverySettings
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket
from mailyard.runtime.clock import to_ms
from mailyard.spool.queue.spool import Spool
from mailyard.spool.row import COLLECTION
from mailyard.store.blobs import Blobs
from mailyard.store.body import Body
from mailyard.store.client import Store

NOW = datetime(2026, 11, 25, tzinfo=UTC)
BODY = b"Subject: x\r\n\r\ntext\r\n"


class Events:
    """Receives mailbox events."""

    def __init__(self) -> None:
        self.published: list[MailboxEvent] = []

    async def publish(self, events: Sequence[MailboxEvent]) -> None:
        self.published += events


class Publisher:
    """Receives tickets."""

    def __init__(self) -> None:
        self.published: list[tuple[Queue, Ticket]] = []

    async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
        self.published += [(queue, ticket) for ticket in tickets]


def deliver(
    store: Store, publisher: Publisher | None = None, events: Events | None = None
) -> DeliveryHandler:
    """Return the handler of a process that has just started."""
    spool = Spool(store, cast("Any", publisher or Publisher()), stage="delivery", clock=lambda: NOW)
    return DeliveryHandler(
        store, cast("Any", events or Events()), spool, DeliverySettings(), clock=lambda: NOW
    )


async def ticket_for(
    store: Store,
    *accounts: str,
    action: Action = Action.ACTION_PASS,
    spool_id: str = "message",
    body: bytes = BODY,
) -> Ticket:
    """Store a message for accounts with its row; return its ticket."""
    stored = Body(ObjectId(), len(body), body)
    await Blobs(store).put(stored)
    ticket = Ticket(
        spool_id=spool_id,
        tenant="one",
        sender="s@there.test",
        recipients=[
            Recipient(address=f"user{number}@one.test", tenant="one", account=account, index=number)
            for number, account in enumerate(accounts)
        ],
        blob_id=stored.blob_id.binary,
        size=len(body),
        accepted_at_ms=to_ms(NOW),
    )
    ticket.verdict.action = action
    row: dict[str, Any] = {"_id": spool_id, "state": "active", "epoch": 0, "due_at": NOW}
    await store.collection(COLLECTION).insert_one(row)
    return ticket


def follow(
    monkeypatch: pytest.MonkeyPatch, *actions: FileInto | Redirect | AutomaticReply | Discard | Reject
) -> None:
    """Let every message have this plan, as a user's script will."""
    monkeypatch.setattr(handler, "plan_for", lambda _: actions)


def again(ticket: Ticket) -> Ticket:
    """Return a ticket as the broker delivers it once more."""
    return Ticket.FromString(ticket.SerializeToString())


async def row(store: Store, spool_id: str = "message") -> dict[str, Any]:
    found = await store.collection(COLLECTION).find_one({"_id": spool_id})
    assert found is not None
    return found


async def results(store: Store, spool_id: str = "message") -> dict[str, str]:
    """Return the result of each recipient that has ended, by number."""
    outcomes = (await row(store, spool_id)).get("outcomes", {})
    return {number: each["result"] for number, each in outcomes.items()}


async def copies(store: Store, account: str) -> list[tuple[str, str, list[str]]]:
    """Return key, mailbox and flags of each copy of an account, by key."""
    names = {each.id: each.name for each in await Mailboxes(store).list(ObjectId(account))}
    rows = store.collection("messages").find({"account": ObjectId(account)}).sort("_id")
    return [(each["_id"], names[each["mailbox"]], sorted(each.get("flags", ()))) async for each in rows]


async def generated(store: Store) -> list[dict[str, Any]]:
    """Return the rows of generated mail, by dedupe key."""
    rows = store.collection(COLLECTION).find({"source": "generated"}).sort("dedupe_key")
    return [each async for each in rows]
