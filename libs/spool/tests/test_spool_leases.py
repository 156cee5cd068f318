"""A leg has one sender at a time, and a lease that has ended proves nothing after an outage."""

from datetime import UTC, datetime, timedelta

from mailyard.spool.queue.leases import LEASE, OUTAGE, RECOVERY, Leases, OutageWatch

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
