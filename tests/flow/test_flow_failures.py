"""Mail that cannot be delivered is bounced once, and the ledger is balanced."""

from datetime import timedelta

import pytest

from mailyard.broker.pipeline import Queue, Route
from mailyard.runtime.clock import now_utc
from mailyard.spool.outcome import Outcome, Report, Result, ended_alike
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.leases import Leases
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.watch.trace import trace
from tests.flow.parts import Flow

REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test")


async def bounces_to(flow: Flow, address: str) -> list[bytes]:
    return await flow.reports_to(address)


async def test_an_unknown_recipient_found_by_the_router_is_bounced_once(flow: Flow) -> None:
    spool_id = await flow.accept("nobody@one.test", sender="bob@one.test")
    await flow.route()
    assert (await flow.row(spool_id))["outcomes"]["0"]["status"] == "5.1.1"
    [bounce] = await bounces_to(flow, "bob@one.test")
    assert b"Final-Recipient: rfc822; nobody@one.test" in bounce
    assert b"Status: 5.1.1" in bounce
    assert await bounces_to(flow, "bob@one.test") == [bounce]
    assert await flow.unaccounted() == {"one": 0}
    assert await flow.became() == {"bounced": 1, "delivered": 1}


async def test_one_good_and_one_bad_recipient_part_ways(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test", "nobody@one.test", sender="bob@one.test")
    await flow.route()
    await flow.deliver()
    assert await flow.found("ann@one.test") == [1]
    assert len(await bounces_to(flow, "bob@one.test")) == 1
    assert {row.state for row in await trace(flow.store, spool_id)} == {"split", "done"}
    assert await flow.unaccounted() == {"one": 0}


async def test_the_null_reverse_path_gets_no_bounce_and_the_ledger_says_bounced(flow: Flow) -> None:
    await flow.accept("nobody@one.test", sender="")
    await flow.route()
    assert not await flow.bouncer.work()
    assert flow.broker.queues.get(Queue.SMTP_IN_ROUTE) is None
    assert await flow.became() == {"bounced": 1}


async def test_a_router_that_dies_after_accepting_a_bounce_makes_no_second_one(flow: Flow) -> None:
    spool_id = await flow.accept("nobody@one.test", sender="bob@one.test")
    await flow.route()
    await flow.bouncer.work()
    # As if the note that the sender knows had not been written.
    await flow.store.collection("spool").update_one(
        {"_id": spool_id}, {"$set": {"bounce_at": now_utc(), "bouncing": ["0"]}, "$unset": {"bounced": ""}}
    )
    assert len(await bounces_to(flow, "bob@one.test")) == 1


async def test_some_targets_end_and_the_others_wait(flow: Flow) -> None:
    spool_id = await flow.accept("x@remote.test", "y@remote.test", "z@remote.test", sender="bob@one.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    ended = {0: Outcome(Result.RELAYED, "2.0.0", "250 ok", "mx"), 1: REFUSED}
    report = defer(ticket, Route.REMOTE, now_utc(), "4.2.1", "450 later", outcomes=ended, rng=lambda: 0.5)
    outcomes = Outcomes(flow.store)
    await outcomes.report(report)
    await outcomes.report(report)  # a write that is repeated changes nothing
    row = await flow.row(spool_id)
    assert (row["state"], [each["address"] for each in row["pending"]]) == ("deferred", ["z@remote.test"])
    assert await flow.unaccounted() == {"remote": 0}
    [bounce] = await bounces_to(flow, "bob@one.test")
    assert b"y@remote.test" in bounce
    assert b"z@remote.test" not in bounce
    [late] = [each for each in (await trace(flow.store, spool_id))[0].targets if not each.result]
    assert late.address == "z@remote.test"


async def test_a_second_failure_of_the_same_leg_is_reported_too(flow: Flow) -> None:
    await flow.accept("x@remote.test", "y@remote.test", sender="bob@one.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    outcomes = Outcomes(flow.store)
    await outcomes.report(defer(ticket, Route.REMOTE, now_utc(), "4.2.1", "450", outcomes={0: REFUSED}))
    assert len(await bounces_to(flow, "bob@one.test")) == 1
    await outcomes.report(ended_alike(ticket, REFUSED))
    bounces = await bounces_to(flow, "bob@one.test")
    assert [b"x@remote.test" in bounces[0], b"y@remote.test" in bounces[1]] == [True, True]
    assert len(bounces) == 2


async def test_mail_that_waited_too_long_expires_and_is_reported(flow: Flow) -> None:
    await flow.accept("x@remote.test", sender="bob@one.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    late = now_utc() + timedelta(days=30)
    report = defer(ticket, Route.REMOTE, late, "4.4.1", "no answer from mx.remote.test")
    assert report.deferral is None
    await Outcomes(flow.store).report(report)
    [bounce] = await bounces_to(flow, "bob@one.test")
    assert b"no answer from mx.remote.test" in b" ".join(bounce.split())
    assert (await flow.became())["expired"] == 1


async def test_a_leg_is_claimed_by_one_sender_at_a_time(flow: Flow) -> None:
    await flow.accept("x@remote.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    first, second = Leases(flow.store), Leases(flow.store)
    assert await first.claim([ticket]) == [ticket]
    assert await second.claim([ticket]) == []
    assert await first.claim([ticket]) == []  # a redelivered ticket is no second right
    later = Leases(flow.store, clock=lambda: now_utc() + timedelta(hours=1))
    assert await later.claim([ticket]) == [ticket]


async def test_a_ticket_that_comes_twice_at_once_claims_its_leg_once(flow: Flow) -> None:
    await flow.accept("x@remote.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    assert await Leases(flow.store).claim([ticket, ticket]) == [ticket]


async def test_a_claim_is_renewed_by_its_owner_only(flow: Flow) -> None:
    spool_id = await flow.accept("x@remote.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    times = iter([now_utc() + timedelta(minutes=minute) for minute in range(10)])
    ours, others = (Leases(flow.store, clock=lambda: next(times)) for _ in range(2))
    await ours.claim([ticket])
    first = (await flow.row(spool_id))["lease"]["until"]
    await others.renew([ticket])
    assert (await flow.row(spool_id))["lease"]["until"] == first
    await ours.renew([ticket])
    assert (await flow.row(spool_id))["lease"]["until"] > first


async def test_an_older_ticket_claims_nothing(flow: Flow) -> None:
    await flow.accept("x@remote.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    await flow.store.collection("spool").update_many({}, {"$inc": {"epoch": 1}})
    assert await Leases(flow.store).claim([ticket]) == []


async def test_a_report_must_end_every_target_or_say_until_when_the_others_wait(flow: Flow) -> None:
    await flow.accept("x@remote.test", "y@remote.test")
    [ticket] = flow.broker.take(Queue.SMTP_IN_ROUTE)
    with pytest.raises(ValueError, match="until when"):
        Report(ticket, {0: REFUSED})
