"""Redirects and automatic replies are executed: each becomes one message of its own, whatever crashes between."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bson import ObjectId
from delivery_doubles import Publisher, again, copies, deliver, follow, generated, results, row, ticket_for
from pydantic import SecretStr

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import PublishFailed, TicketPublisher
from mailyard.delivery.generatedmail import GeneratedMail
from mailyard.delivery.mailboxwriter import MailboxWriter
from mailyard.delivery.main import build
from mailyard.delivery.plan import AutomaticReply, FileInto, Redirect
from mailyard.delivery.settings import DeliverySettings
from mailyard.imap.wellknown import INBOX
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.service import Runtime
from mailyard.spool.ledger.ledger import ENTRIES
from mailyard.spool.queue.spool import Spool
from mailyard.spool.queue.stage import StageReports
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store

REPLY = AutomaticReply("vacation", b"Subject: on leave\r\n\r\n")
COPY_REDIRECT_REPLY = (FileInto(INBOX), Redirect("b@two.test"), REPLY)


class Died(BaseException):
    """Ends a process at a step."""


def dies_at(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let a process die at a step of its work on a plan."""
    accept = Spool.accept

    async def die(*_: Any, **__: Any) -> Any:
        raise Died(step)

    def except_for(sender: str) -> Callable[..., Any]:
        async def accept_one(spool: Spool, acceptance: Any) -> str:
            if acceptance.sender != sender:
                raise Died(step)
            return await accept(spool, acceptance)

        return accept_one

    owner, name, replacement = {
        "before the copy": (MailboxWriter, "insert", die),
        "after the copy": (GeneratedMail, "accept", die),
        "after the redirect": (Spool, "accept", except_for("s@there.test")),
        "after the reply": (Spool, "accept", except_for("")),
        "before the outcome": (StageReports, "write", die),
    }[step]
    monkeypatch.setattr(owner, name, replacement)


@pytest.mark.parametrize(
    "step",
    ["before the copy", "after the copy", "after the redirect", "after the reply", "before the outcome"],
)
async def test_a_process_that_dies_between_two_actions_of_a_plan_leaves_no_double(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str, step: str
) -> None:
    follow(monkeypatch, *COPY_REDIRECT_REPLY)
    ticket = await ticket_for(store, account)
    publisher = Publisher()
    with monkeypatch.context() as patched:
        dies_at(patched, step)
        with pytest.raises(Died):
            await deliver(store, publisher).handle([again(ticket)])
    assert await results(store) == {}, "the row says that work is done which is not"
    await deliver(store, publisher).handle([again(ticket)])
    assert await copies(store, account) == [(f"{account}:message", "INBOX", [])]
    assert [each["dedupe_key"] for each in await generated(store)] == [
        f"{account}:message/redirect/b@two.test",
        f"{account}:message/reply/vacation",
    ]
    assert await results(store) == {"0": "delivered"}
    assert sorted((queue, each.recipients[0].address) for queue, each in publisher.published) == [
        (Queue.SMTP_IN_ROUTE, "b@two.test"),
        (Queue.SMTP_IN_ROUTE, "s@there.test"),
    ]


async def test_generated_mail_whose_ticket_was_not_published_is_in_the_spool_and_made_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    """The router publishes the tickets of such rows."""

    class Unreachable(Publisher):
        async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
            raise PublishFailed(queue, tickets, "the broker is unreachable")

    follow(monkeypatch, *COPY_REDIRECT_REPLY)
    ticket = await ticket_for(store, account)
    for publisher in (Unreachable(), Publisher()):
        await deliver(store, publisher).handle([again(ticket)])
        assert publisher.published == []
        assert [each["state"] for each in await generated(store)] == ["active", "active"]


async def test_a_store_that_fails_for_one_generated_message_delays_no_other_and_ends_no_row(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Redirect("b@two.test"))
    tickets = [await ticket_for(store, account, spool_id=name) for name in ("first", "second", "third")]
    accept = Spool.accept

    async def fail_for_one(spool: Spool, acceptance: Any) -> str:
        if ":second/" in acceptance.dedupe_key:
            raise Unavailable("the store is unreachable")
        return await accept(spool, acceptance)

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "accept", fail_for_one)
        with pytest.raises(Unavailable):
            await deliver(store).handle([again(each) for each in tickets])
    assert len(await generated(store)) == 2
    assert [await results(store, name) for name in ("first", "second", "third")] == [{}, {}, {}]
    await deliver(store).handle(tickets)
    assert len(await generated(store)) == 3
    assert [await results(store, name) for name in ("first", "second", "third")] == [{"0": "redirected"}] * 3


async def test_nothing_is_generated_for_a_recipient_whose_copy_waits_for_space(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, *COPY_REDIRECT_REPLY)
    quotas = store.collection("accounts")
    await quotas.insert_one({"_id": ObjectId(account), "key": "a", "tenant": "one", "quota_bytes": 1})
    ticket = await ticket_for(store, account, str(ObjectId()))
    await deliver(store).handle([again(ticket)])
    assert (await row(store))["state"] == "deferred"
    assert len(await generated(store)) == 2, "the other recipient has its redirect and its reply"
    await quotas.update_one({}, {"$set": {"quota_bytes": 1_000_000}})
    await deliver(store).handle([again(ticket)])
    assert len(await generated(store)) == 4
    assert await results(store) == {"0": "delivered", "1": "delivered"}


async def test_two_recipients_that_redirect_to_one_address_send_two_messages(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Redirect("b@two.test"), Redirect("c@two.test"))
    other = str(ObjectId())
    await deliver(store).handle([await ticket_for(store, account, other)])
    assert {each["dedupe_key"] for each in await generated(store)} == {
        f"{each}:message/redirect/{address}"
        for each in (account, other)
        for address in ("b@two.test", "c@two.test")
    }


async def test_a_redirect_keeps_what_the_next_host_must_know_and_stores_no_second_body(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    """RFC 6152, section 3, and RFC 6531, section 3.4: 8BITMIME and SMTPUTF8 hold for a message on all its way."""
    follow(monkeypatch, Redirect("b@two.test"))
    ticket = await ticket_for(store, account)
    ticket.smtputf8, ticket.body, ticket.traceparent = True, "8BITMIME", f"00-{'a' * 32}-{'b' * 16}-01"
    await deliver(store).handle([ticket])
    [sent] = await generated(store)
    assert (sent["smtputf8"], sent["body"], sent["traceparent"]) == (True, "8BITMIME", ticket.traceparent)
    assert await store.collection("mail.files").count_documents({}) == 1


@pytest.mark.parametrize(
    ("octets", "body_type"),
    [(b"Subject: x\r\n\r\nbye\r\n", "7BIT"), ("Subject: x\r\n\r\nÜ".encode(), "8BITMIME")],
)
async def test_a_reply_says_whether_it_has_octets_above_127(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str, octets: bytes, body_type: str
) -> None:
    follow(monkeypatch, AutomaticReply("x", octets))
    await deliver(store).handle([await ticket_for(store, account)])
    [sent] = await generated(store)
    assert sent.get("body", "7BIT") == body_type
    assert await results(store) == {"0": "discarded"}, "a reply alone delivers nothing"


@pytest.fixture
def settings(mongo_url: str, vhost_url: str, database: str) -> DeliverySettings:
    return DeliverySettings(
        mongo_url=SecretStr(mongo_url), amqp_url=SecretStr(vhost_url), mongo_database=database
    )


async def test_the_service_publishes_generated_mail_to_the_router(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str, settings: DeliverySettings
) -> None:
    """The parts that `build` puts together, with a real broker."""
    follow(monkeypatch, *COPY_REDIRECT_REPLY)
    ticket = await ticket_for(store, account)
    runtime, broker = Runtime("delivery", settings), Broker(settings.amqp_url.get_secret_value(), "test")
    await broker.start()
    before = (await broker.depth(Queue.SMTP_IN_ROUTE)).messages
    await runtime.start(await build(runtime))
    try:
        await TicketPublisher(broker).publish(Queue.LOCAL_DELIVER, [ticket, ticket])
        assert await ended(store) == {"0": "delivered"}
        assert (await broker.depth(Queue.SMTP_IN_ROUTE)).messages > before
    finally:
        await runtime.finish()
        await broker.close()
    assert len(await copies(store, account)) == 1
    assert [each["recipients"][0]["address"] for each in await generated(store)] == [
        "b@two.test",
        "s@there.test",
    ]
    accepted = [
        count
        async for entry in store.collection(ENTRIES).find({"edge": "delivery"})
        for count in entry["recipients"]
    ]
    assert sum(each["count"] for each in accepted) == 2, "generated mail has no ledger entry"


async def ended(store: Store) -> dict[str, str]:
    """Return the results of the message once there are any."""
    async with asyncio.timeout(20):
        while True:
            found = await results(store)
            if found:
                return found
            await asyncio.sleep(0.02)


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
    follow(monkeypatch, FileInto(INBOX), REPLY)
    ticket = await ticket_for(store, account)
    for _ in range(2):
        await deliver(store).handle([again(ticket)])
    [sent] = await generated(store)
    assert (sent["sender"], [each["address"] for each in sent["recipients"]]) == ("", ["s@there.test"])
    assert await Blobs(store).read(sent["blob"]) == REPLY.octets
    assert len(await copies(store, account)) == 1
    assert await results(store) == {"0": "delivered"}


async def test_mail_without_a_sender_gets_no_reply(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, FileInto(INBOX), REPLY)
    ticket = await ticket_for(store, account)
    ticket.sender = ""
    await deliver(store).handle([ticket])
    assert await generated(store) == []
    assert await results(store) == {"0": "delivered"}
