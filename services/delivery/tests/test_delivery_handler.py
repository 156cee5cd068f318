"""Plans are executed: every copy is stored once, refusals and discards end the recipient, and the row says so."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Queue
from mailyard.delivery import handler
from mailyard.delivery.generatedmail import GeneratedMail
from mailyard.delivery.handler import DeliveryHandler
from mailyard.delivery.plan import AutomaticReply, DeliveryPlan, Discard, FileInto, Redirect, Reject
from mailyard.delivery.settings import DeliverySettings
from mailyard.directory.indexes import ensure_indexes
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import INBOX, JUNK
from mailyard.mailbox.rows import ensure_schema as ensure_mailboxes
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket
from mailyard.runtime.clock import to_ms
from mailyard.spool.queue.spool import Spool
from mailyard.spool.row import COLLECTION
from mailyard.spool.schema import ensure_schema as ensure_spool
from mailyard.store.blobs import Blobs
from mailyard.store.body import Body
from mailyard.store.client import Store

NOW = datetime(2026, 11, 25, tzinfo=UTC)
BODY = b"Subject: x\r\n\r\ntext\r\n"
FLAGGED = frozenset({"\\Flagged"})


class Silent:
    """Mailbox events that nobody hears."""

    async def publish(self, events: Sequence[MailboxEvent]) -> None:
        pass


class Publishing:
    """A broker that takes everything."""

    async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
        pass


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_spool(store)
    await ensure_mailboxes(store)
    await ensure_indexes(store)
    yield store
    await store.close()


async def ticket_for(store: Store, *accounts: str, action: Action = Action.ACTION_PASS) -> Ticket:
    """A message for accounts in the store, with its row."""
    stored = Body(ObjectId(), len(BODY), BODY)
    await Blobs(store).put(stored)
    ticket = Ticket(
        spool_id="message",
        tenant="one",
        sender="s@there.test",
        recipients=[
            Recipient(address=f"user{number}@one.test", tenant="one", account=account, index=number)
            for number, account in enumerate(accounts)
        ],
        blob_id=stored.blob_id.binary,
        size=len(BODY),
        accepted_at_ms=to_ms(NOW),
    )
    ticket.verdict.action = action
    row: dict[str, Any] = {"_id": "message", "state": "active", "epoch": 0, "due_at": NOW}
    await store.collection(COLLECTION).insert_one(row)
    return ticket


def again(ticket: Ticket) -> Ticket:
    return Ticket.FromString(ticket.SerializeToString())


async def row(store: Store) -> dict[str, Any]:
    found = await store.collection(COLLECTION).find_one({"_id": "message"})
    assert found is not None
    return found


async def results(store: Store) -> dict[str, str]:
    return {number: each["result"] for number, each in (await row(store))["outcomes"].items()}


async def copies(store: Store, account: str) -> list[tuple[str, str, list[str]]]:
    """Key, mailbox and flags of each copy of an account, by key."""
    names = {each.id: each.name for each in await Mailboxes(store).list(ObjectId(account))}
    rows = store.collection("messages").find({"account": ObjectId(account)}).sort("_id")
    return [(each["_id"], names[each["mailbox"]], sorted(each.get("flags", ()))) async for each in rows]


def deliver(store: Store) -> DeliveryHandler:
    spool = Spool(store, cast("Any", Publishing()), stage="delivery")
    return DeliveryHandler(
        store,
        cast("Any", Silent()),
        DeliverySettings(),
        generated_mail=GeneratedMail(spool),
        clock=lambda: NOW,
    )


@pytest.fixture
def account() -> str:
    return str(ObjectId())


def follow(
    monkeypatch: pytest.MonkeyPatch, *actions: FileInto | Redirect | AutomaticReply | Discard | Reject
) -> None:
    """Let every message have this plan, as a user's script will."""
    plan: DeliveryPlan = actions
    monkeypatch.setattr(handler, "plan_for", lambda _: plan)


async def test_a_plan_with_several_copies_stores_each_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, FileInto(INBOX), FileInto(JUNK, FLAGGED), FileInto(INBOX))
    ticket = await ticket_for(store, account)
    for _ in range(2):
        await deliver(store).handle([again(ticket)])
    assert await copies(store, account) == [
        (f"{account}:message", "INBOX", []),
        (f"{account}:message:1", "Junk", ["\\Flagged"]),
        (f"{account}:message:2", "INBOX", []),
    ]
    assert await results(store) == {"0": "delivered"}


async def test_flags_of_a_plan_stand_at_the_first_copy_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, FileInto(INBOX, FLAGGED))
    await deliver(store).handle([await ticket_for(store, account)])
    assert await copies(store, account) == [(f"{account}:message", "INBOX", ["\\Flagged"])]


async def test_quarantined_mail_is_counted_as_quarantined(store: Store, account: str) -> None:
    await deliver(store).handle([await ticket_for(store, account, action=Action.ACTION_QUARANTINE)])
    assert [mailbox for _, mailbox, _ in await copies(store, account)] == ["Junk"]
    assert await results(store) == {"0": "quarantined"}
    assert (await row(store))["sum"] == {"tenant": "one", "result": "quarantined", "count": 1}
    assert [each["detail"] for each in (await row(store))["timeline"]] == ["1 x Junk"]


async def test_a_discard_ends_the_message_and_stores_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Discard())
    await deliver(store).handle([await ticket_for(store, account)])
    assert await copies(store, account) == []
    assert await results(store) == {"0": "discarded"}
    assert "bounce_at" not in await row(store)


async def test_a_rejection_makes_a_bounce_due(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Reject("5.7.1", "550 5.7.1 no thanks"))
    await deliver(store).handle([await ticket_for(store, account)])
    found = await row(store)
    assert await copies(store, account) == []
    assert (found["outcomes"]["0"]["result"], found["outcomes"]["0"]["text"]) == (
        "bounced",
        "550 5.7.1 no thanks",
    )
    assert "bounce_at" in found


async def test_each_recipient_of_a_ticket_ends_in_its_own_way(store: Store, account: str) -> None:
    await deliver(store).handle([await ticket_for(store, account, "")])
    assert await results(store) == {"0": "delivered", "1": "bounced"}
    assert {each["event"]: each["detail"] for each in (await row(store))["timeline"]} == {
        "message.delivered": "1 x INBOX",
        "message.failed": "1 x 550 5.1.1 no such mailbox here",
    }


async def test_a_message_whose_body_is_lost_waits_and_the_others_are_delivered(
    store: Store, account: str
) -> None:
    ticket = await ticket_for(store, account)
    ticket.blob_id = ObjectId().binary
    await deliver(store).handle([ticket])
    found = await row(store)
    assert (found["state"], found["route"]) == ("deferred", "local")
    assert "the body is not in the store" in found["reason"]["text"]


async def generated(store: Store) -> list[dict[str, Any]]:
    rows = store.collection(COLLECTION).find({"source": "generated"}).sort("_id")
    return [each async for each in rows]


async def test_a_redirect_is_one_message_of_its_own_that_shares_the_body(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Redirect("b@two.test"))
    ticket = await ticket_for(store, account)
    ticket.prefix = b"Received: by here\r\n"
    for _ in range(2):
        await deliver(store).handle([again(ticket)])
    [sent] = await generated(store)
    assert (sent["sender"], [each["address"] for each in sent["recipients"]]) == (
        "s@there.test",
        ["b@two.test"],
    )
    assert (sent["blob"].binary, sent["size"]) == (ticket.blob_id, ticket.size)
    assert bytes(sent["prefix"]) == b"Delivered-To: user0@one.test\r\nReceived: by here\r\n"
    assert sent["dedupe_key"] == f"{account}:message/redirect/b@two.test"
    assert await copies(store, account) == []
    assert await results(store) == {"0": "redirected"}
    assert "bounce_at" not in await row(store)
    assert [each["event"] for each in (await row(store))["timeline"]] == ["message.redirected"]


async def test_a_redirect_that_comes_back_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Redirect("b@two.test"))
    ticket = await ticket_for(store, account)
    ticket.prefix = b"Delivered-To: user0@one.test\r\nReceived: by here\r\n"
    await deliver(store).handle([ticket])
    assert await generated(store) == []
    found = await row(store)
    assert (found["outcomes"]["0"]["result"], found["outcomes"]["0"]["status"]) == ("bounced", "5.4.6")


async def test_a_reply_goes_to_the_sender_once_beside_the_copy(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, FileInto(INBOX), AutomaticReply("away", b"Subject: away\r\n\r\n"))
    ticket = await ticket_for(store, account)
    for _ in range(2):
        await deliver(store).handle([again(ticket)])
    [sent] = await generated(store)
    assert (sent["sender"], [each["address"] for each in sent["recipients"]]) == ("", ["s@there.test"])
    assert await Blobs(store).read(sent["blob"]) == b"Subject: away\r\n\r\n"
    assert len(await copies(store, account)) == 1
    assert await results(store) == {"0": "delivered"}


async def test_mail_without_a_sender_gets_no_reply(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, FileInto(INBOX), AutomaticReply("away", b"Subject: away\r\n\r\n"))
    ticket = await ticket_for(store, account)
    ticket.sender = ""
    await deliver(store).handle([ticket])
    assert await generated(store) == []
    assert await results(store) == {"0": "delivered"}
