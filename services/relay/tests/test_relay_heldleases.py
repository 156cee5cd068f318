"""Claims in hand, and when they count as lost."""

import asyncio
from collections.abc import Sequence

import pytest

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.heldleases import HeldLeases
from mailyard.runtime.errors import Unavailable
from mailyard.spool.queue.leases import LEASE


class FakeClaims:
    def __init__(self) -> None:
        self.taken_by_others: set[str] = set()
        self.renewed: list[list[str]] = []
        self.unreachable = False

    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        return [each for each in tickets if each.spool_id not in self.taken_by_others]

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        if self.unreachable:
            raise Unavailable("the store is unreachable")
        self.renewed.append([each.spool_id for each in tickets])

    async def held(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        return [each for each in tickets if each.spool_id not in self.taken_by_others]


A, B = Ticket(spool_id="a"), Ticket(spool_id="b")
LENGTH = LEASE.total_seconds()


@pytest.fixture
def claims() -> FakeClaims:
    return FakeClaims()


async def test_only_claimed_legs_are_ours(claims: FakeClaims) -> None:
    claims.taken_by_others = {"b"}
    held = HeldLeases(claims, 10, lambda: 0.0)
    assert await held.claim([A, B]) == [A]
    assert held.ours(A)
    assert not held.ours(B)
    assert held.room == 9
    held.release(A)
    assert not held.ours(A)
    assert held.room == 10


async def test_a_doubled_ticket_is_claimed_once_and_the_newest_counts(claims: FakeClaims) -> None:
    held = HeldLeases(claims, 10, lambda: 0.0)
    newer = Ticket(spool_id="a", epoch=2)
    leg = Ticket(spool_id="a", leg=1)
    assert await held.claim([A, newer, A, leg]) == [newer, leg]


async def test_a_claim_counts_as_lost_before_it_ends(claims: FakeClaims) -> None:
    now = 0.0
    held = HeldLeases(claims, 10, lambda: now)
    await held.claim([A])
    now = LENGTH / 2
    assert held.ours(A)
    now = LENGTH * 0.9
    assert not held.ours(A)


async def test_renewing_keeps_claims_that_are_ours(claims: FakeClaims) -> None:
    now = 0.0
    held = HeldLeases(claims, 10, lambda: now)
    await held.claim([A])
    now = LENGTH / 2
    await held.claim([B])
    await held.renew()
    now = LENGTH
    assert held.ours(A)


async def test_claims_that_lapsed_while_the_store_was_unreachable_are_renewed_when_it_is_back(
    claims: FakeClaims,
) -> None:
    now = 0.0
    held = HeldLeases(claims, 10, lambda: now)
    await held.claim([A, B])
    claims.unreachable = True
    now = LENGTH
    assert not await held.renew()
    assert not held.ours(A)
    claims.unreachable = False
    claims.taken_by_others = {"b"}
    assert await held.renew()
    assert claims.renewed == [["a", "b"]]  # nobody else may begin what goes on here
    assert held.ours(A)
    assert not held.ours(B)  # another relay has it


async def test_a_renewal_that_fails_is_repeated_at_once(
    claims: FakeClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailyard.relay.heldleases._RENEW_SECONDS", 0.01)
    monkeypatch.setattr("mailyard.relay.heldleases._RETRY_SECONDS", 0.001)
    held = HeldLeases(claims, 10, lambda: 0.0)
    await held.claim([A])
    claims.unreachable = True
    renewing = asyncio.create_task(held.renew_always())
    await asyncio.sleep(0.02)
    claims.unreachable = False
    async with asyncio.timeout(5):
        while not claims.renewed:  # noqa: ASYNC110  # the fake has no event
            await asyncio.sleep(0.001)
    renewing.cancel()


async def test_a_leg_in_hand_is_not_claimed_again_by_a_newer_ticket(claims: FakeClaims) -> None:
    now = 0.0
    held = HeldLeases(claims, 10, lambda: now)
    await held.claim([A])
    now = LENGTH * 2  # the claim has lapsed, the transfer goes on, and the reconciler has made a new ticket
    assert await held.claim([Ticket(spool_id="a", epoch=5), B]) == [B]
    assert not held.ours(A)
    held.release(A)
    newest = Ticket(spool_id="a", epoch=6)
    assert await held.claim([newest]) == [newest]


async def test_room_is_waited_for(claims: FakeClaims) -> None:
    held = HeldLeases(claims, 1, lambda: 0.0)
    await held.claim([A])
    with pytest.raises(Unavailable):
        await held.wait_for_room(0.01)
    waiting = asyncio.create_task(held.wait_for_room(5))
    await asyncio.sleep(0)
    held.release(A)
    await waiting
