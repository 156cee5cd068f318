"""Crashes and unreachable servers between the steps of router, relay and delivery lose and duplicate nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import pytest

from mailyard.broker.pipeline import Queue, QueuePath, Route
from mailyard.broker.publisher import TicketPublisher
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router.routinghandler import RoutingHandler
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.spool.outcome import Deferral, Outcome, Report, Result, ended_alike
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.leases import LEASE, RECOVERY, Leases, OutageWatch
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.release import Release
from tests.flow.parts import Flow

RELAYED = Outcome(Result.RELAYED, "2.0.0", "250 ok", "mx.remote.test")
REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test")


class Broken:
    """A publisher that fails a number of times."""

    def __init__(self, flow: Flow, failures: int) -> None:
        self._flow = flow
        self._failures = failures

    async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
        if self._failures:
            self._failures -= 1
            raise Unavailable("no confirm")
        await self._flow.broker.publish(queue, tickets)


def broken_intake(flow: Flow, failures: int = 1) -> RoutingHandler:
    return RoutingHandler(flow.store, flow.directory, cast("TicketPublisher", Broken(flow, failures)))


async def test_a_routing_that_is_tried_again_leaves_no_trace_of_the_first_try(flow: Flow) -> None:
    spool_id = await flow.accept("both@one.test")
    tickets = flow.broker.take(Queue.SMTP_IN_ROUTE)
    intake = broken_intake(flow)
    with pytest.raises(Unavailable):
        await intake.handle([Ticket.FromString(ticket.SerializeToString()) for ticket in tickets])
    await intake.handle(tickets)  # the broker's consumer gives the tickets as they came
    await flow.deliver()
    assert await flow.unaccounted() == {"one": 0}
    events = [step["event"] for step in (await flow.row(spool_id))["timeline"]]
    assert events == ["message.routed", "message.delivered"]


async def test_recipients_that_nobody_can_reach_have_their_outcome_when_the_message_is_split(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router dies after the split, before anything else."""
    spool_id = await flow.accept("ann@one.test", "nobody@one.test", sender="bob@one.test")
    tickets = flow.broker.take(Queue.SMTP_IN_ROUTE)

    async def die(*_: object) -> None:
        raise Unavailable("the store is unreachable")

    with monkeypatch.context() as patched:
        patched.setattr(Outcomes, "report_many", die)
        with pytest.raises(Unavailable):
            await broken_intake(flow).handle(tickets)
    failed = await flow.row(f"{spool_id}.2")
    assert (failed["state"], failed["outcomes"]["0"]["status"]) == ("done", "5.1.1")
    assert len(await flow.reports_to("bob@one.test")) == 1
    now = now_utc() + timedelta(minutes=1)
    lost = await Release(flow.store).lost(dict.fromkeys(QueuePath, now), now, 10)
    assert [(queue, ticket.leg) for queue, ticket in lost] == [(Queue.LOCAL_FILTER, 1)]
    flow.broker.queues[Queue.LOCAL_FILTER] = [ticket for _, ticket in lost]
    await flow.deliver()
    assert await flow.found("ann@one.test") == [1]
    assert len(await flow.reports_to("bob@one.test")) == 1
    assert await flow.unaccounted() == {"one": 0}


async def test_delivery_bounces_a_target_without_an_account_and_delivers_the_rest_of_the_batch(
    flow: Flow,
) -> None:
    spool_id = await flow.accept("ann@one.test", "bob@one.test", sender="cat@two.test")
    await flow.accept("ann@one.test")
    await flow.route()
    tickets = flow.broker.queues[Queue.LOCAL_FILTER]
    tickets[0].recipients[1].account = ""  # as in a leg of unknown recipients that 0.2.0 left behind
    await flow.deliver()
    assert await flow.found("ann@one.test") == [1, 2]
    outcomes = (await flow.row(spool_id))["outcomes"]
    assert [outcomes[number]["result"] for number in "01"] == ["delivered", "bounced"]
    assert len(await flow.reports_to("cat@two.test")) == 1


async def test_a_lost_ticket_of_local_mail_is_found_while_relay_takes_nothing(flow: Flow) -> None:
    plain = await flow.accept("ann@one.test")
    alias = await flow.accept("both@one.test")
    remote = await flow.accept("x@remote.test")
    await flow.route()  # and all tickets are lost but the one in remote.filter
    now = now_utc() + timedelta(minutes=1)
    horizons = {path: None if Queue.REMOTE_SEND in path.queues else now for path in QueuePath}
    lost = await Release(flow.store).lost(horizons, now, 10)
    assert {ticket.spool_id for _, ticket in lost} == {plain, alias}
    assert (await flow.row(remote))["route"] == "remote"


async def test_an_unrouted_row_of_0_2_0_is_judged_by_all_queues(flow: Flow) -> None:
    await flow.accept("ann@one.test")
    await flow.store.collection("spool").update_many({}, {"$unset": {"route": ""}})
    now = now_utc() + timedelta(minutes=1)
    assert await Release(flow.store).lost({QueuePath.UNKNOWN: None, QueuePath.EDGE: now}, now, 10) == []
    assert len(await Release(flow.store).lost({QueuePath.UNKNOWN: now}, now, 10)) == 1


@pytest.mark.parametrize(
    ("alias", "targets"),
    [("out@one.test", ["x@remote.test"]), ("pair@one.test", ["x@remote.test", "y@remote.test"])],
)
async def test_mail_for_an_alias_of_remote_addresses_comes_again_for_these_addresses(
    flow: Flow, alias: str, targets: list[str]
) -> None:
    """Its row alone must say so: the remote host does not know the alias."""
    await flow.accept(alias)
    await flow.route()
    await Leases(flow.store).claim(flow.broker.take(Queue.REMOTE_FILTER))
    queue, again = await released(flow)
    assert (queue, [each.address for each in again.recipients]) == (Queue.REMOTE_FILTER, targets)
    assert await flow.unaccounted() == {"one": 0}
    [taken] = await Leases(flow.store).claim([again])
    await Outcomes(flow.store).report(ended_alike(taken, RELAYED))
    assert await flow.unaccounted() == {"one": 0}


async def released(flow: Flow) -> tuple[Queue, Ticket]:
    """Release the one remote leg after its lease has ended, as a router does that looks regularly."""
    release, now = Release(flow.store), now_utc() + LEASE + timedelta(hours=1)
    for seconds in range(0, int(RECOVERY.total_seconds()), 30):
        await release.lost({}, now - RECOVERY + timedelta(seconds=seconds), 10)
    [found] = await release.lost({QueuePath.REMOTE: now}, now, 10)
    return found


async def claimed(flow: Flow, *addresses: str) -> tuple[Leases, Ticket]:
    await flow.accept(*addresses, sender="bob@one.test")
    await flow.route()
    leases = Leases(flow.store)
    [ticket] = await leases.claim(flow.broker.take(Queue.REMOTE_FILTER))
    return leases, ticket


def partial(ticket: Ticket, ended: dict[int, Outcome]) -> Report:
    return Report(ticket, ended, Deferral(now_utc(), Route.REMOTE, "4.2.1", "450 later"))


async def test_a_partial_report_of_an_older_ticket_keeps_its_outcomes_and_defers_nothing(flow: Flow) -> None:
    _, ticket = await claimed(flow, "x@remote.test", "y@remote.test", "z@remote.test")
    _, newer = await released(flow)
    outcomes = Outcomes(flow.store)
    for _ in range(2):  # a write that is repeated changes nothing
        await outcomes.report(partial(ticket, {0: RELAYED, 1: REFUSED}))
    row = await flow.row(ticket.spool_id)
    assert (row["state"], row["epoch"]) == ("active", 1)
    assert [each["address"] for each in row["pending"]] == ["z@remote.test"]
    assert await flow.unaccounted() == {"remote": 0}
    [taken] = await Leases(flow.store).claim([newer])
    assert [each.address for each in taken.recipients] == ["z@remote.test"]
    await outcomes.report(ended_alike(taken, RELAYED))
    row = await flow.row(ticket.spool_id)
    assert (row["state"], sorted(row["outcomes"])) == ("done", ["0", "1", "2"])
    assert len(await flow.reports_to("bob@one.test")) == 1
    assert (await flow.unaccounted())["remote"] == 0


async def test_the_last_outcomes_end_the_row_also_when_an_older_ticket_brings_them(flow: Flow) -> None:
    _, ticket = await claimed(flow, "x@remote.test", "y@remote.test")
    _, newer = await released(flow)
    outcomes = Outcomes(flow.store)
    await outcomes.report(partial(newer, {0: RELAYED}))
    await outcomes.report(partial(ticket, {1: RELAYED}))
    row = await flow.row(ticket.spool_id)
    assert (row["state"], "due_at" in row, "pending" in row) == ("done", False, False)
    assert await flow.unaccounted() == {"remote": 0}


async def test_a_failure_in_a_late_report_is_reported_though_other_outcomes_of_it_are_known(
    flow: Flow,
) -> None:
    _, ticket = await claimed(flow, "x@remote.test", "y@remote.test", "z@remote.test")
    _, newer = await released(flow)
    outcomes = Outcomes(flow.store)
    await outcomes.report(partial(newer, {0: RELAYED}))
    await outcomes.report(partial(ticket, {0: RELAYED, 1: REFUSED}))
    row = await flow.row(ticket.spool_id)
    assert [each["address"] for each in row["pending"]] == ["z@remote.test"]
    [report] = await flow.reports_to("bob@one.test")
    assert b"y@remote.test" in report


async def test_a_deferral_brings_back_no_target_that_has_ended(flow: Flow) -> None:
    _, ticket = await claimed(flow, "x@remote.test", "y@remote.test")
    _, newer = await released(flow)
    outcomes = Outcomes(flow.store)
    await outcomes.report(partial(ticket, {0: RELAYED}))
    await outcomes.report(defer(newer, Route.REMOTE, now_utc(), "4.4.1", "no answer"))
    [(_, next_one)] = await Release(flow.store).due(now_utc() + timedelta(days=1), 10)
    assert [each.address for each in next_one.recipients] == ["y@remote.test"]
    assert await flow.unaccounted() == {"remote": 0}


async def test_a_store_outage_lets_holders_renew_before_their_legs_are_released(flow: Flow) -> None:
    leases, ticket = await claimed(flow, "x@remote.test")
    release, start = Release(flow.store), now_utc()
    await release.lost({QueuePath.REMOTE: start}, start, 10)
    back = start + timedelta(minutes=10)  # nobody reached the store for so long
    assert await release.lost({QueuePath.REMOTE: back}, back, 10) == []
    holder = Leases(flow.store, clock=lambda: back)
    holder._owner = leases._owner  # the same process, later
    await holder.renew([ticket])
    after = back + RECOVERY
    assert await release.lost({QueuePath.REMOTE: after}, after, 10) == []
    await Outcomes(flow.store).report(ended_alike(ticket, RELAYED))
    assert (await flow.row(ticket.spool_id))["state"] == "done"


async def test_after_an_outage_a_leg_whose_holder_is_gone_is_released(flow: Flow) -> None:
    leases, ticket = await claimed(flow, "x@remote.test")
    release, start = Release(flow.store), now_utc()
    await release.lost({}, start, 10)
    later = start + RECOVERY + timedelta(minutes=10)
    await release.lost({}, later - RECOVERY, 10)
    [(_, newer)] = await release.lost({QueuePath.REMOTE: later}, later, 10)
    await leases.renew([ticket])  # the holder was only slow: it cannot take the leg back
    assert await Leases(flow.store).claim([newer]) == [newer]


def test_regular_looks_trust_leases_however_long_their_pauses_are() -> None:
    for seconds in (5, 300):
        watch, now = OutageWatch(), now_utc()
        pauses = [watch.trusts_leases(now + timedelta(seconds=seconds * number)) for number in range(60)]
        assert not pauses[0]
        assert all(pauses[30:])
