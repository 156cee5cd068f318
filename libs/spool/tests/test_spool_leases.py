"""A leg has one sender at a time, and a lease that has ended proves nothing after an outage."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mailyard.broker.pipeline import QueuePath, Route
from mailyard.runtime.errors import Unavailable
from mailyard.spool.outcome import Deferral, Outcome, Report, Result, ended_alike
from mailyard.spool.queue.leases import LEASE, OUTAGE, RECOVERY, Leases, OutageWatch
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.release import Release
from mailyard.store.client import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def test_a_leg_is_claimed_by_one_process(store, insert, row, ticket):
    await insert("a.1", route="remote")
    first, second = Leases(store, clock=lambda: NOW), Leases(store, clock=lambda: NOW)
    given = ticket(leg=1, site="remote.test")
    assert await first.claim([given]) == [given]
    assert await second.claim([given]) == []
    assert await first.held([given]) == [given]
    assert await second.held([given]) == []
    found = await row("a.1")
    assert (found["lease"]["until"], found["route"], found["site"]) == (NOW + LEASE, "remote", "remote.test")


async def test_a_lease_ends_unless_it_is_renewed(store, insert, ticket):
    await insert()
    clock = Clock()
    first, second = Leases(store, clock=clock), Leases(store, clock=clock)
    given = ticket()
    await first.claim([given])
    clock.now += LEASE / 2
    await first.renew([given])
    clock.now += LEASE
    assert await second.claim([given]) == []
    clock.now += SECOND
    assert await second.claim([given]) == [given]
    await first.renew([given])
    assert await second.held([given]) == [given]
    assert await first.held([given]) == []


async def test_only_the_newest_ticket_is_claimed(store, insert, ticket):
    await insert(epoch=2)
    old, new = ticket(epoch=1), ticket(epoch=2)
    assert await Leases(store).claim([old]) == []
    assert await Leases(store).claim([old, new]) == [new]


async def test_a_leg_that_has_ended_is_not_claimed(store, insert, ticket):
    await insert(state="done")
    assert await Leases(store).claim([ticket()]) == []
    assert await Leases(store).claim([]) == []


async def test_targets_with_an_outcome_are_not_sent_to_again(store, insert, ticket):
    await insert(outcomes={"1": {"result": "relayed"}})
    [claimed] = await Leases(store).claim([ticket(targets=3)])
    assert [target.index for target in claimed.recipients] == [0, 2]
    assert claimed.attempt == 1, "the ledger counts such a row target by target"


async def test_of_many_processes_that_claim_at_the_same_time_one_gets_each_leg(store, insert, ticket):
    names = [f"a{number:02}" for number in range(20)]
    for name in names:
        await insert(name, route="remote")
    given = [ticket(name) for name in names]
    claims = await asyncio.gather(*(Leases(store).claim(given) for _ in range(4)))
    assert sorted(each.spool_id for claim in claims for each in claim) == names


async def test_a_leg_that_was_released_again_is_not_the_old_holders_any_more(store, insert, ticket):
    """The reconciler has found the lease ended: whoever held it can neither renew it nor claim it with the old ticket."""
    await insert(route="remote", due_at=NOW - OUTAGE)
    clock = Clock()
    first, second = Leases(store, clock=clock), Leases(store, clock=clock)
    old = ticket()
    await first.claim([old])
    clock.now += LEASE + SECOND
    release = Release(store)
    for _ in range(4):  # leases are not trusted at the first reads
        released = await release.lost({QueuePath.REMOTE: clock.now}, clock.now, 10)
        clock.now += RECOVERY / 3
    [(_, new)] = released
    await first.renew([old])
    assert (await first.held([old]), await first.claim([old])) == ([], [])
    assert [each.epoch for each in await second.claim([new])] == [1]


async def test_a_doubled_ticket_is_claimed_once(store, insert, ticket):
    await insert()
    assert len(await Leases(store).claim([ticket(), ticket()])) == 1


async def test_a_claim_marks_the_leg_so_that_it_is_looked_for_on_the_remote_path(store, insert, row, ticket):
    await insert(route="edge")
    await Leases(store).claim([ticket(site="remote.test")])
    assert ((await row())["route"], (await row())["site"]) == ("remote", "remote.test")


async def test_a_leg_that_has_ended_is_not_held_and_renewing_nothing_is_no_error(store, insert, ticket):
    await insert()
    leases, given = Leases(store, clock=lambda: NOW), ticket()
    await leases.claim([given])
    await Outcomes(store, clock=lambda: NOW).report(ended_alike(given, Outcome(Result.RELAYED)))
    assert await leases.held([given]) == []
    await leases.renew([])


async def test_a_deferral_ends_the_lease(store, insert, row, ticket):
    await insert()
    leases, given = Leases(store, clock=lambda: NOW), ticket()
    await leases.claim([given])
    later = Deferral(NOW + LEASE, Route.REMOTE, "4.4.1", "no answer")
    await Outcomes(store, clock=lambda: NOW).report(Report(given, {}, later))
    assert "lease" not in await row()
    assert await leases.held([given]) == []


async def test_a_leg_all_of_whose_targets_have_ended_is_claimed_without_targets(store, insert, ticket):
    await insert(outcomes={"0": {"result": "relayed"}})
    given = ticket(attempt=4)
    [claimed] = await Leases(store).claim([given])
    assert (list(claimed.recipients), claimed.attempt) == ([], 4)
    assert len(given.recipients) == 1, "the ticket that was given stays as it is"


@pytest.mark.parametrize("call", ["claim", "renew", "held"])
async def test_an_unreachable_store_grants_nothing(ticket, call):
    store = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=100)
    with pytest.raises(Unavailable):
        await getattr(Leases(store), call)([ticket()])
    await store.close()


def test_ended_leases_are_not_trusted_at_first_nor_after_an_outage():
    watch = OutageWatch()
    begin = NOW
    for _ in range(2):
        moment = begin
        while moment < begin + RECOVERY:
            assert not watch.trusts_leases(moment)
            moment += SECOND
        assert watch.trusts_leases(moment)
        begin = moment + OUTAGE + SECOND  # an outage


def test_a_reader_that_is_always_slow_has_no_outage():
    watch = OutageWatch()
    moment = NOW
    for _ in range(5):
        watch.trusts_leases(moment)
        moment += OUTAGE + SECOND
    assert watch.trusts_leases(moment)
