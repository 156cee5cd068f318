"""The bouncer: what a report says, what a row says afterwards, and what a batch may cost."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from router_doubles import BrokerInMemory, accepted, metric, row_of

from mailyard.broker.pipeline import Queue, Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router import bouncer as bouncer_module
from mailyard.router.bouncer import MOST_TRIES, Bouncer
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import now_utc
from mailyard.spool.outcome import Outcome, Result, ended_alike
from mailyard.spool.queue.bounces import CLAIM
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.spool import Spool
from mailyard.spool.row import COLLECTION
from mailyard.spool.schema import ensure_schema
from mailyard.store.blobs import Blobs
from mailyard.store.client import Row, Store

SENDER = "s@there.test"
REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test[192.0.2.7]:25")
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 62 + b"\r\n") * 4_000


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    opened = Store(mongo_url, database)
    await opened.start()
    await ensure_schema(opened)
    yield opened
    await opened.close()


def bouncer(store: Store, ahead: timedelta = timedelta(seconds=1), **settings: Any) -> Bouncer:
    """Return the bouncer of a router whose clock is ahead."""
    moment = now_utc() + ahead
    spool = Spool(store, cast("Any", BrokerInMemory()), stage="router")
    router = RouterSettings(hostname="mail.one.test", **settings)
    return Bouncer(store, spool, router, clock=lambda: moment)


async def failed(store: Store, address: str = "x@remote.test", **more: Any) -> Ticket:
    """Accept a message whose recipient was refused."""
    return await ended(store, REFUSED, address, **more)


async def ended(store: Store, outcome: Outcome, *addresses: str, **more: Any) -> Ticket:
    ticket = await accepted(store, *addresses, **more)
    await Outcomes(store).report(ended_alike(ticket, outcome))
    return ticket


async def late(store: Store) -> Ticket:
    """Accept a message that was deferred."""
    ticket = await accepted(store, "x@remote.test")
    await Outcomes(store).report(defer(ticket, Route.REMOTE, now_utc(), "4.4.1", "no answer"))
    return ticket


async def reports(store: Store) -> list[tuple[Row, EmailMessage]]:
    """Return the rows of all reports with the messages, by dedupe key."""
    rows = await store.collection(COLLECTION).find({"source": "generated"}).sort("dedupe_key").to_list()
    bodies = [await Blobs(store).read(row["blob"]) for row in rows]
    policy = email.policy.default
    return [
        (row, email.message_from_bytes(body, _class=EmailMessage, policy=policy))
        for row, body in zip(rows, bodies, strict=True)
    ]


def actions(report: EmailMessage) -> list[str]:
    status = list(report.iter_parts())[1]
    groups = cast("list[EmailMessage]", status.get_payload())
    return [group["Action"] for group in groups[1:]]


async def test_a_failure_is_reported_by_one_message_with_the_null_reverse_path(store: Store) -> None:
    """RFC 5321, section 6.1: the bounce has the null reverse-path, and goes to the reverse-path of the message."""
    ticket, before = await failed(store), metric("mailyard_router_bounces_total")
    assert not await bouncer(store).work()
    [(row, report)] = await reports(store)
    assert (row["sender"], [each["address"] for each in row["recipients"]]) == ("", [SENDER])
    assert row["dedupe_key"] == f"{ticket.spool_id}/0"
    assert report.get_content_type() == "multipart/report"
    assert actions(report) == ["failed"]
    settled = await row_of(store, ticket)
    assert "bounce_at" not in settled
    step = settled["timeline"][-1]
    assert (step["stage"], step["event"], step["detail"]) == (
        "router",
        "message.bounced",
        f"report {row['_id']}",
    )
    assert metric("mailyard_router_bounces_total") == before + 1


async def test_a_success_is_reported_and_is_no_bounce(store: Store) -> None:
    before = metric("mailyard_router_bounces_total")
    ticket = await ended(store, Outcome(Result.DELIVERED, "2.1.5"), "a@one.test", notify="SUCCESS")
    await bouncer(store).work()
    [(_, report)] = await reports(store)
    assert actions(report) == ["delivered"]
    assert (await row_of(store, ticket))["timeline"][-1]["event"] == "message.reported"
    assert metric("mailyard_router_bounces_total") == before


@pytest.mark.parametrize("body", [b"Subject: small\r\n\r\ntext\r\n", LARGE], ids=["small", "large"])
async def test_a_failure_whose_body_is_lost_is_reported_with_the_trace_fields_alone(
    store: Store, body: bytes
) -> None:
    ticket = await failed(store, body=body, ret="FULL")
    for collection in ("mail.files", "mail.chunks"):
        await store.collection(collection).delete_many({})
    await bouncer(store).work()
    [(_, report)] = await reports(store)
    returned = list(report.iter_parts())[2]
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_content().strip() == f"Received: by test id {ticket.spool_id}"


@pytest.mark.parametrize(("ret", "expected"), [("FULL", 200_000), ("HDRS", 65_536)])
async def test_no_more_of_a_large_body_is_read_than_the_report_returns(
    store: Store, monkeypatch: pytest.MonkeyPatch, ret: str, expected: int
) -> None:
    lengths: list[int] = []
    read = Blobs.read_range

    async def watch(blobs: Blobs, blob_id: Any, start: int, end: int) -> bytes:
        lengths.append(end - start)
        return await read(blobs, blob_id, start, end)

    monkeypatch.setattr(Blobs, "read_range", watch)
    body = LARGE[:200_000]
    await failed(store, body=body, ret=ret)
    await bouncer(store, bounce_headers_only_octets=len(body)).work()
    [(_, report)] = await reports(store)
    assert lengths == [expected]
    assert list(report.iter_parts())[2].get_content_type() == (
        "message/rfc822" if ret == "FULL" else "text/rfc822-headers"
    )


async def test_at_most_four_large_bodies_are_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = 0, 0
    read = Blobs.read_range

    async def watch(blobs: Blobs, *arguments: Any) -> bytes:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        try:
            return await read(blobs, *arguments)
        finally:
            now -= 1

    monkeypatch.setattr(Blobs, "read_range", watch)
    for number in range(10):
        await failed(store, f"x{number}@remote.test", body=LARGE)
    await bouncer(store).work()
    assert len(await reports(store)) == 10
    assert most == 4


async def test_more_work_is_announced_while_batches_are_full(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bouncer_module, "_LIMIT", 2)
    for number in range(3):
        await failed(store, f"x{number}@remote.test")
    assert [await bouncer(store).work() for _ in range(2)] == [True, False]
    assert len(await reports(store)) == 3


async def test_failures_are_counted_as_retried_until_the_report_is_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_report: Any) -> Any:
        raise RuntimeError("cannot be composed")

    monkeypatch.setattr(bouncer_module, "compose_bounce", fail)
    ticket = await failed(store)
    name = "mailyard_router_report_failures_total"
    before = {each: metric(name, next=each) for each in ("retried", "given_up")}
    for number in range(MOST_TRIES + 1):
        await bouncer(store, ahead=number * (CLAIM + timedelta(seconds=1)) + timedelta(seconds=1)).work()
    after = {each: metric(name, next=each) - before[each] for each in before}
    assert after == {"retried": MOST_TRIES - 1, "given_up": 1}
    step = (await row_of(store, ticket))["timeline"][-1]
    assert step["event"] == "message.report_failed"
    assert f"after {MOST_TRIES} tries: RuntimeError" in step["detail"]


async def test_counters_of_failures_exist_before_the_first_failure(store: Store) -> None:
    """A counter that begins with its first failure hides that failure from increase()."""
    bouncer(store)
    for following in ("retried", "given_up"):
        found = REGISTRY.get_sample_value("mailyard_router_report_failures_total", {"next": following})
        assert found is not None, following


async def test_a_delay_is_reported_once_the_hours_of_the_setting_are_over(store: Store) -> None:
    ticket = await late(store)
    hours = timedelta(hours=4)
    await bouncer(store, hours - timedelta(minutes=1)).report_delays()
    assert await reports(store) == []
    for _ in range(2):
        await bouncer(store, hours + timedelta(minutes=1)).report_delays()
    [(row, report)] = await reports(store)
    assert row["dedupe_key"] == f"{ticket.spool_id}/delay"
    assert actions(report) == ["delayed"]


async def test_no_delay_is_reported_and_nothing_is_claimed_when_the_setting_is_0(store: Store) -> None:
    ticket = await late(store)
    before = await row_of(store, ticket)
    assert not await bouncer(store, timedelta(days=4), delay_report_hours=0).report_delays()
    assert await row_of(store, ticket) == before


async def test_a_delay_report_that_cannot_be_made_is_given_up_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_report: Any) -> Any:
        raise RuntimeError("cannot be composed")

    await late(store)
    name = "mailyard_router_report_failures_total"
    before = metric(name, next="given_up")
    with monkeypatch.context() as patched:
        patched.setattr(bouncer_module, "compose_bounce", fail)
        await bouncer(store, timedelta(hours=5)).report_delays()
    assert metric(name, next="given_up") == before + 1
    await bouncer(store, timedelta(hours=6)).report_delays()
    assert await reports(store) == []


async def test_a_double_bounce_is_counted_and_reaches_the_postmaster_of_the_setting(store: Store) -> None:
    before = metric("mailyard_router_double_bounces_total")
    ticket = await failed(store, sender="")
    await bouncer(store, double_bounce_recipient="post@one.test").work()
    [(row, _)] = await reports(store)
    assert [each["address"] for each in row["recipients"]] == ["post@one.test"]
    assert row["dedupe_key"] == f"{ticket.spool_id}/0/postmaster"
    assert metric("mailyard_router_double_bounces_total") == before + 1


async def test_reports_enter_the_pipeline_as_accepted_mail_does(store: Store) -> None:
    await failed(store)
    broker = BrokerInMemory()
    spool = Spool(store, cast("Any", broker), stage="router")
    moment = now_utc() + timedelta(seconds=1)
    await Bouncer(store, spool, RouterSettings(hostname="mail.one.test"), clock=lambda: moment).work()
    assert broker.addresses() == [(Queue.SMTP_IN_ROUTE, [SENDER])]
