"""Queues, traces and the ledger by command, of mail that really went through spool and broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from bson import ObjectId

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue, Route
from mailyard.broker.publisher import TicketPublisher
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.clock import now_utc
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.outcome import Deferral, Outcome, Report, Result, ended_alike
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.split import SplitMessage, split
from mailyard.spool.queue.spool import Spool
from mailyard.spool.row import COLLECTION, Leg, ticket_of
from mailyard.spool.schema import ensure_schema
from mailyard.spool.timeline import append_event
from mailyard.spool.watch.progress import ProgressReporter
from mailyard.store.body import Body
from mailyard.store.client import Store

ANNA = Recipient(address="anna@example.org", tenant="acme")
ZOE = Recipient(address="zoe@remote.net", tenant="acme", index=0, origin=1)


@pytest.fixture
def mail_command(mailyard, vhost_url):
    mailyard.environment["MAILYARD_AMQP_URL"] = vhost_url
    return mailyard


@pytest.fixture
def parts(mongo_url, database, vhost_url):
    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Store, TicketPublisher]]:
        store, broker = Store(mongo_url, database), Broker(vhost_url, "test")
        await ensure_schema(store)
        await broker.start()
        yield store, TicketPublisher(broker)
        await broker.close()
        await store.close()

    return opened


@pytest.fixture
def spool_id(parts) -> str:
    """A message to two: one delivered, one put off by the remote."""

    async def accepted() -> str:
        async with parts() as (store, publisher):
            spool = Spool(store, publisher, stage="smtp-in")
            accepted_id = await spool.accept(acceptance())
            row = await store.collection(COLLECTION).find_one({"_id": accepted_id})
            assert row is not None
            whole = ticket_of(row)
            append_event(whole, now_utc(), "router", "message.split", "2 legs")
            legs = (Leg(Route.LOCAL, "acme", "", (ANNA,)), Leg(Route.REMOTE, "acme", "remote.net", (ZOE,)))
            (_, local), (_, remote) = await split(store, [SplitMessage(whole, legs)], now_utc())
            append_event(local, now_utc(), "delivery", "message.delivered", "INBOX")
            append_event(remote, now_utc(), "relay", "message.deferred", "mx.remote.net: 451 4.3.0 later")
            due = now_utc() + timedelta(minutes=5)
            outcomes = Outcomes(store)
            await outcomes.report(ended_alike(local, Outcome(Result.DELIVERED, "2.1.5", "", "INBOX")))
            await outcomes.report(Report(remote, {}, Deferral(due, Route.REMOTE, "4.3.0", "451 4.3.0 later")))
            return accepted_id

    return asyncio.run(accepted())


def acceptance() -> Acceptance:
    octets = b"Subject: hi\r\n\r\nhi\r\n"
    return Acceptance(
        sender="bert@example.net",
        recipients=(
            Recipient(address=ANNA.address, tenant="acme"),
            Recipient(address=ZOE.address, tenant="acme"),
        ),
        tenant="acme",
        source=Source.SUBMISSION,
        client=TransferringClient("192.0.2.1", "laptop", "ESMTPSA"),
        body=Body(ObjectId(), len(octets), octets),
        prefix=lambda _spool_id, _at: b"",
    )


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_trace_shows_every_recipient_and_all_legs_in_the_order_of_time(mail_command, spool_id):
    result = mail_command("trace", spool_id)
    assert result.exit_code == 0, result.stderr
    lines = [cells(line) for line in result.stdout.splitlines() if line.strip()]
    assert lines[0][:3] == [spool_id, "from <bert@example.net>", "tenant acme"]
    assert lines[3][:4] == ["1", "anna@example.org", "delivered", "2.1.5"]
    assert lines[4][:3] == ["2", "zoe@remote.net", "waits (deferred)"]
    assert lines[4][3].startswith("4.3.0 451 4.3.0 later; next attempt 20")
    assert [line[1:4] for line in lines[7:]] == [
        ["0", "smtp-in", "message.accepted"],
        ["0", "router", "message.split"],
        ["1", "delivery", "message.delivered"],
        ["2", "relay", "message.deferred"],
    ]


def test_a_trace_as_json_has_the_message_and_its_legs(mail_command, spool_id):
    rows = mail_command.json("trace", f"{spool_id}.1")
    assert [row["id"] for row in rows] == [spool_id, f"{spool_id}.1", f"{spool_id}.2"]
    assert [row["state"] for row in rows] == ["split", "done", "deferred"]
    assert rows[1]["targets"][0]["result"] == "delivered"
    assert rows[2]["due_at"].endswith("Z")


@pytest.mark.parametrize(
    ("spool_id", "reason"),
    [
        ("hello", "'hello' is not a spool id"),
        ("0123456789abcdefghij", "there is no message 0123456789abcdefghij"),
    ],
)
def test_a_trace_of_nothing_ends_with_status_1(mail_command, spool_id, reason):
    refused = mail_command("trace", spool_id)
    assert (refused.exit_code, reason in refused.stderr) == (1, True)


@pytest.mark.usefixtures("spool_id")
def test_the_ledger_counts_recipients_and_nothing_is_unaccounted(mail_command):
    [line] = mail_command.json("ledger")
    assert line.pop("hour").endswith(":00:00.000Z")
    assert line == {
        "tenant": "acme",
        "accepted": 2,
        "expanded": 0,
        "delivered": 1,
        "relayed": 0,
        "bounced": 0,
        "discarded": 0,
        "quarantined": 0,
        "expired": 0,
        "redirected": 0,
        "in_flight": 1,
        "held": 0,
        "unaccounted": 0,
    }
    assert mail_command("ledger", "--tenant", "other").stderr == "mailyard: there is no tenant other\n"
    assert "Unaccounted" in mail_command("ledger", "--hours", "2").stdout


def test_queues_are_counted_in_mails_not_in_messages_of_the_broker(mail_command, parts):
    async def publish() -> None:
        async with parts() as (store, publisher):
            await publisher.publish(Queue.LOCAL_FILTER, [Ticket(spool_id=str(n)) for n in range(7)])
            await ProgressReporter(store, "test", publisher=publisher).report()

    asyncio.run(publish())
    queues = {each["queue"]: each for each in mail_command.json("queue", "list")}
    assert list(queues) == [*map(str, Queue), "deferred", "held"]
    assert queues["local.filter"] == {
        "queue": "local.filter",
        "mails": 7,
        "oldest_seconds": 0.0,
        "messages": 1,
        "consumers": 0,
        "next_due_at": None,
    }
    assert queues["remote.send"]["mails"] == 0
    assert "Oldest (s)" in mail_command("queue", "list").stdout


def test_dead_letters_are_shown_and_removed_only_when_that_is_confirmed(mail_command, parts):
    async def bury() -> None:
        async with parts() as (_, publisher):
            await publisher.publish(Queue.DEAD, [Ticket(spool_id="one"), Ticket(spool_id="two")])

    asyncio.run(bury())
    for _ in range(2):
        [letter] = mail_command.json("queue", "dead", "list")
        assert (letter["reason"], letter["spool_ids"]) == ("buried", ["one", "two"])
    refused = mail_command("queue", "dead", "empty")
    assert (refused.exit_code, "repeat with --yes" in refused.stderr) == (1, True)
    assert mail_command("queue", "dead", "empty", "--yes").stdout == "1 AMQP messages removed\n"
    assert mail_command.json("queue", "dead", "list") == []
