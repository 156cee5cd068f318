"""Reports of success and delay (RFC 3461), double bounces, and reports that cannot be made."""

import email
import email.policy
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from mailyard.broker.pipeline import Queue, Route
from mailyard.router import bouncer as bouncer_module
from mailyard.router.bouncer import MOST_TRIES, Bouncer
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.spool.outcome import Outcome, Result, ended_alike
from mailyard.spool.queue.bounces import CLAIM, Bounces
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.delays import Delays
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.release import Release
from mailyard.spool.queue.spool import Spool
from mailyard.store.blobs import Blobs
from tests.flow.parts import Flow

BOB = "bob@one.test"
REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test[192.0.2.7]:25")


def groups(report: bytes) -> list[dict[str, str]]:
    """Return the field groups of a report's status part."""
    message = email.message_from_bytes(report, _class=EmailMessage, policy=email.policy.default)
    status = list(message.iter_parts())[1]
    assert status.get_content_type() == "message/delivery-status"
    return [dict(group.items()) for group in status.get_payload()]  # type: ignore[union-attr]


def actions(report: bytes) -> dict[str, str]:
    """Return Action by Final-Recipient."""
    return {group["Final-Recipient"]: group["Action"] for group in groups(report)[1:]}


async def relay(flow: Flow, outcome: Outcome) -> None:
    """End what waits for relay."""
    for ticket in flow.broker.take(Queue.REMOTE_FILTER):
        await Outcomes(flow.store).report(ended_alike(ticket, outcome))


def later(flow: Flow, hours: float, **settings: Any) -> Bouncer:
    """Return a router's bouncer whose clock is ahead."""
    moment = now_utc() + timedelta(hours=hours)
    router = RouterSettings(hostname="mail.one.test", **settings)
    return Bouncer(flow.store, flow.spool, router, clock=lambda: moment)


async def test_a_sender_that_asks_for_success_is_informed_of_local_delivery_once(flow: Flow) -> None:
    await flow.accept(
        "ann@one.test", sender=BOB, notify="SUCCESS,FAILURE", envid="QQ+2B1", orcpt="rfc822;ann@x.test"
    )
    await flow.route()
    await flow.deliver()
    [report] = await flow.reports_to(BOB)
    about, recipient = groups(report)
    assert about["Original-Envelope-Id"] == "QQ+1"
    assert recipient["Original-Recipient"] == "rfc822; ann@x.test"
    assert (recipient["Action"], recipient["Status"]) == ("delivered", "2.1.5")
    assert "Remote-MTA" not in recipient
    assert await flow.reports_to(BOB) == [report]
    assert await flow.unaccounted() == {"one": 0}


@pytest.mark.parametrize("notify", ["", "NEVER", "FAILURE", "DELAY", "FAILURE,DELAY"])
async def test_a_sender_that_does_not_ask_for_success_is_informed_of_nothing(flow: Flow, notify: str) -> None:
    spool_id = await flow.accept("ann@one.test", sender=BOB, notify=notify)
    await flow.route()
    await flow.deliver()
    assert "bounce_at" not in await flow.row(spool_id)
    assert await flow.reports_to(BOB) == []


async def test_the_null_reverse_path_is_never_told_of_success(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test", sender="", notify="SUCCESS")
    await flow.route()
    await flow.deliver()
    assert "bounce_at" not in await flow.row(spool_id)


@pytest.mark.parametrize(
    ("passed", "expected"), [(False, [{"rfc822; x@remote.test": "relayed"}]), (True, [])]
)
async def test_mail_relayed_to_a_host_without_dsn_is_reported_and_to_one_with_dsn_is_not(
    flow: Flow, passed: bool, expected: list[dict[str, str]]
) -> None:
    await flow.accept("x@remote.test", sender=BOB, notify="SUCCESS")
    await flow.route()
    await relay(flow, Outcome(Result.RELAYED, "2.0.0", "250 ok", "mx.remote.test[192.0.2.7]:25", passed))
    reports = await flow.reports_to(BOB)
    assert [actions(report) for report in reports] == expected
    assert all(groups(report)[1]["Remote-MTA"] == "dns; mx.remote.test" for report in reports)


async def test_an_alias_with_several_targets_is_reported_as_expanded_and_its_members_are_not(
    flow: Flow,
) -> None:
    await flow.accept("both@one.test", sender="cat@two.test", notify="SUCCESS", orcpt="rfc822;both@one.test")
    await flow.route()
    await flow.deliver()
    [report] = await flow.reports_to("cat@two.test")
    assert actions(report) == {"rfc822; both@one.test": "expanded"}
    assert len(await flow.inbox("ann@one.test")) == 1
    assert await flow.reports_to("cat@two.test") == [report]
    assert set((await flow.unaccounted()).values()) == {0}


async def test_failures_behind_an_alias_are_reported_though_success_is_not_passed_on(flow: Flow) -> None:
    await flow.accept("away@one.test", sender=BOB, notify="SUCCESS,FAILURE")
    await flow.route()
    await flow.deliver()
    await relay(flow, REFUSED)
    found = [actions(report) for report in await flow.reports_to(BOB)]
    assert {"rfc822; away@one.test": "expanded"} in found
    assert {"rfc822; x@remote.test": "failed"} in found
    assert len(found) == 2


@pytest.mark.parametrize(
    ("ret", "bound", "whole"),
    [("FULL", 100_000, True), ("FULL", 50, False), ("", 100_000, False), ("HDRS", 100_000, False)],
)
@pytest.mark.parametrize("lines", [2, 2000])  # of a body that is read with others, or by itself
async def test_a_failure_returns_the_whole_message_up_to_the_bound_if_the_sender_asked(
    flow: Flow, ret: str, bound: int, whole: bool, lines: int
) -> None:
    body = b"Subject: hello\r\n\r\n" + (b"y" * 40 + b"\r\n") * lines + b"the end\r\n"
    await flow.accept("nobody@one.test", sender=BOB, body=body, ret=ret)
    await flow.route()
    flow.bouncer = later(flow, 0.1, bounce_headers_only_octets=bound)
    [report] = await flow.reports_to(BOB)
    message = email.message_from_bytes(report, _class=EmailMessage, policy=email.policy.default)
    returned = list(message.iter_parts())[2]
    assert returned.get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")
    assert (b"the end" in report) is whole


async def test_a_sender_is_informed_once_that_mail_is_late(flow: Flow) -> None:
    spool_id = await flow.accept("x@remote.test", sender=BOB)
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    outcomes = Outcomes(flow.store)
    await outcomes.report(defer(ticket, Route.REMOTE, now_utc(), "4.4.1", "mx: không trả lời"))
    early = later(flow, 3.9)
    await early.report_delays()
    assert await flow.reports_to(BOB) == []
    await later(flow, 4.1).report_delays()
    [report] = await flow.reports_to(BOB)
    _, recipient = groups(report)
    assert (recipient["Action"], recipient["Status"]) == ("delayed", "4.4.1")
    assert recipient["Diagnostic-Code"] == "x-mailyard; mx: kh?ng tr? l?i"
    assert "Will-Retry-Until" in recipient
    for day in range(1, 4):
        [(_, again)] = await Release(flow.store).due(now_utc() + timedelta(days=day), 10)
        await outcomes.report(defer(again, Route.REMOTE, now_utc(), "4.4.1", "still not"))
        await later(flow, 24 * day).report_delays()
    assert await flow.reports_to(BOB) == [report]
    [(_, last)] = await Release(flow.store).due(now_utc() + timedelta(days=4), 10)
    await outcomes.report(ended_alike(last, Outcome(Result.RELAYED)))
    assert "delay_at" not in await flow.row(spool_id)


@pytest.mark.parametrize(
    ("sender", "notify", "hours"), [(BOB, "NEVER", 4.0), (BOB, "FAILURE", 4.0), ("", "", 4.0), (BOB, "", 0.0)]
)
async def test_nobody_is_informed_of_a_delay_who_does_not_want_to_be(
    flow: Flow, sender: str, notify: str, hours: float
) -> None:
    await flow.accept("x@remote.test", sender=sender, notify=notify)
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    await Outcomes(flow.store).report(defer(ticket, Route.REMOTE, now_utc(), "4.4.1", "no answer"))
    await later(flow, 50, delay_report_hours=hours).report_delays()
    assert flow.broker.take(Queue.SMTP_IN_ROUTE) == []


async def test_a_router_that_dies_before_it_notes_a_delay_report_makes_no_second_one(flow: Flow) -> None:
    await flow.accept("x@remote.test", sender=BOB)
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    await Outcomes(flow.store).report(defer(ticket, Route.REMOTE, now_utc(), "4.4.1", "no answer"))
    rows = flow.store.collection("spool")
    before = await rows.find_one({"_id": ticket.spool_id})
    assert before is not None
    for _ in range(2):
        await later(flow, 5).report_delays()
        await rows.update_one({"_id": ticket.spool_id}, {"$set": {"delay_at": before["delay_at"]}})
    assert len(await flow.reports_to(BOB)) == 1


async def test_a_delay_is_claimed_by_one_router(flow: Flow) -> None:
    await flow.accept("x@remote.test", sender=BOB)
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    await Outcomes(flow.store).report(defer(ticket, Route.REMOTE, now_utc(), "4.4.1", "no answer"))
    now = now_utc() + timedelta(hours=5)
    assert len(await Delays(flow.store).claim(now, timedelta(hours=4), 10)) == 1
    assert await Delays(flow.store).claim(now, timedelta(hours=4), 10) == []


async def test_a_double_bounce_is_noted_and_goes_nowhere_without_a_postmaster(flow: Flow) -> None:
    spool_id = await flow.accept("nobody@one.test", sender="")
    await flow.route()
    await flow.bouncer.work()
    row = await flow.row(spool_id)
    step = row["timeline"][-1]
    assert step["event"] == "message.double_bounced"
    assert step["detail"].startswith("not delivered, and there is no sender to report it to: 550 5.1.1 ")
    assert step["detail"].endswith("; no postmaster is set, so no report was made")
    assert "bounce_at" not in row
    assert flow.broker.take(Queue.SMTP_IN_ROUTE) == []


async def test_a_double_bounce_reaches_the_postmaster_whole(flow: Flow) -> None:
    flow.bouncer = later(flow, 0.1, double_bounce_recipient="ann@one.test")
    await flow.accept("nobody@one.test", sender="gone@one.test")
    await flow.route()
    await flow.bouncer.work()  # a bounce to gone@one.test
    await flow.route()  # which nobody can reach
    await flow.bouncer.work()
    [copy] = flow.broker.queues[Queue.SMTP_IN_ROUTE]
    [row] = [each async for each in flow.store.collection("spool").find({"bounced": ["0"], "sender": ""})]
    assert row["timeline"][-1]["detail"].endswith(f"; report {copy.spool_id} went to ann@one.test")
    [report] = await flow.reports_to("ann@one.test")
    assert actions(report) == {"rfc822; gone@one.test": "failed"}
    assert b"Final-Recipient: rfc822; nobody@one.test" in report  # the bounce that failed, whole


async def test_a_double_bounce_that_the_postmaster_does_not_get_ends_there(flow: Flow) -> None:
    flow.bouncer = later(flow, 0.1, double_bounce_recipient="missing@one.test")
    await flow.accept("nobody@one.test", sender="")
    await flow.route()
    made = 0
    for _ in range(5):
        await flow.bouncer.work()
        made += len(flow.broker.queues.get(Queue.SMTP_IN_ROUTE, []))
        await flow.route()
    assert made == 1
    assert await flow.store.collection("spool").count_documents({"bounce_at": {"$exists": True}}) == 0


async def test_a_double_bounce_of_a_leg_of_the_postmasters_copy_ends_there(flow: Flow) -> None:
    flow.bouncer = later(flow, 0.1, double_bounce_recipient="away@one.test")  # an alias: the copy is split
    await flow.accept("nobody@one.test", sender="")
    await flow.route()
    await flow.bouncer.work()
    assert len(flow.broker.queues[Queue.SMTP_IN_ROUTE]) == 1
    await flow.route()
    await relay(flow, REFUSED)
    await flow.bouncer.work()
    assert flow.broker.take(Queue.SMTP_IN_ROUTE) == []
    assert await flow.store.collection("spool").count_documents({"bounce_at": {"$exists": True}}) == 0


async def test_a_row_that_raises_holds_up_no_other_and_is_given_up_in_the_end(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = await flow.accept("nobody@one.test", sender="cat@two.test")
    await flow.accept("nobody@one.test", sender=BOB)
    await flow.route()
    compose = bouncer_module.compose_bounce

    def fail(report: Any) -> Any:
        if report.sender == "cat@two.test":
            raise RuntimeError("cannot be composed")
        return compose(report)

    monkeypatch.setattr(bouncer_module, "compose_bounce", fail)
    for number in range(MOST_TRIES):
        assert (await flow.row(bad)).get("bounce_tries", 0) == number
        flow.bouncer = later(flow, number * CLAIM / timedelta(minutes=59) + 0.01)
        await flow.bouncer.work()
    assert len(await flow.reports_to(BOB)) == 1
    row = await flow.row(bad)
    assert "bounce_at" not in row
    assert row["timeline"][-1]["event"] == "message.report_failed"


async def test_a_row_that_cannot_be_read_holds_up_no_other(flow: Flow) -> None:
    bad = await flow.accept("nobody@one.test", sender="cat@two.test")
    await flow.accept("nobody@one.test", sender=BOB)
    await flow.route()
    broken = {"bouncing": ["7"], "outcomes.0.result": "of a later version"}
    await flow.store.collection("spool").update_one({"_id": bad}, {"$set": broken})
    assert len(await flow.reports_to(BOB)) == 1
    for number in range(1, MOST_TRIES):
        await later(flow, number * CLAIM / timedelta(minutes=59) + 0.01).work()
    assert (await flow.row(bad))["timeline"][-1]["event"] == "message.report_failed"


async def test_reports_of_a_row_of_0_2_0_are_made(flow: Flow) -> None:
    spool_id = await flow.accept("x@remote.test", "y@remote.test", sender=BOB)
    await flow.route()
    await relay(flow, REFUSED)
    old = {"bounce_at": now_utc(), "bouncing": ["1"], "bounced": ["0"]}
    removed = {"outcomes.0.report": "", "outcomes.1.report": "", "bounce_claim": ""}
    await flow.store.collection("spool").update_one({"_id": spool_id}, {"$set": old, "$unset": removed})
    [report] = await flow.reports_to(BOB)
    assert actions(report) == {"rfc822; y@remote.test": "failed"}


@pytest.mark.parametrize("step", ["settle", "accept", "read_many"])
async def test_a_store_that_is_unreachable_at_any_step_doubles_and_forgets_no_report(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    for sender in (BOB, "cat@two.test"):
        await flow.accept("nobody@one.test", sender=sender)
    await flow.route()
    owner: Any = {"settle": Bounces, "accept": Spool, "read_many": Blobs}[step]
    original, calls = getattr(owner, step), []

    async def fail_once(self: Any, *arguments: Any) -> Any:
        calls.append(step)
        if len(calls) == 1:
            raise Unavailable("the store is unreachable")
        return await original(self, *arguments)

    monkeypatch.setattr(owner, step, fail_once)
    with pytest.raises(Unavailable):
        await later(flow, 0.01).work()
    await later(flow, 1).work()
    assert len(await flow.reports_to(BOB)) == 1
    assert len(await flow.reports_to("cat@two.test")) == 1
    assert await flow.store.collection("spool").count_documents({"bounce_at": {"$exists": True}}) == 0


async def test_a_loop_through_a_foreign_host_ends_with_one_bounce(flow: Flow) -> None:
    """The host sends the mail for an alias back to the alias, until it has too many Received fields."""
    for _ in range(5):
        await flow.accept("out@one.test", sender=BOB)
        await flow.route()
        await relay(flow, Outcome(Result.RELAYED, "2.0.0", "250 ok", "mx.remote.test", dsn_passed=True))
    await flow.accept("out@one.test", sender=BOB)
    await flow.route()
    await relay(flow, Outcome(Result.BOUNCED, "5.4.6", "554 5.4.6 Too many hops", "mx.remote.test"))
    [report] = await flow.reports_to(BOB)
    assert groups(report)[1]["Status"] == "5.4.6"


async def test_a_bounce_that_runs_into_the_loop_of_its_sender_ends_there(flow: Flow) -> None:
    await flow.accept("nobody@one.test", sender="out@one.test")
    await flow.route()
    await flow.bouncer.work()
    await flow.route()  # the bounce goes out, and comes back by the alias
    await relay(flow, Outcome(Result.BOUNCED, "5.4.6", "554 5.4.6 Too many hops", "mx.remote.test"))
    await flow.bouncer.work()
    assert flow.broker.take(Queue.SMTP_IN_ROUTE) == []
    assert await flow.store.collection("spool").count_documents({"bounce_at": {"$exists": True}}) == 0
