"""Every failed target is in exactly one bounce, whatever reports, claims, crashes and second routers do."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from mailyard.broker.pipeline import Queue, Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import now_utc
from mailyard.spool.outcome import Deferral, Outcome, Report, Result
from mailyard.spool.queue.bounces import CLAIM, Bounces, DueReport
from mailyard.spool.queue.outcomes import Outcomes
from tests.flow.parts import Flow

TARGETS = 5
REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test")
RELAYED = Outcome(Result.RELAYED, "2.0.0", "250 ok", "mx.remote.test")


async def remote_ticket(flow: Flow, targets: int = TARGETS) -> Ticket:
    await flow.accept(*(f"u{number}@remote.test" for number in range(targets)), sender="bob@one.test")
    await flow.route()
    [ticket] = flow.broker.take(Queue.REMOTE_FILTER)
    return ticket


def partial(ticket: Ticket, ended: dict[int, Outcome], now: datetime) -> Report:
    rest = [target for target in ticket.recipients if target.index not in ended]
    return Report(ticket, ended, Deferral(now, Route.REMOTE, "4.2.1", "450 later") if rest else None)


async def test_a_failure_that_comes_while_a_claim_is_forgotten_is_reported_later(flow: Flow) -> None:
    ticket, now = await remote_ticket(flow, 3), now_utc()
    outcomes, bounces = Outcomes(flow.store, clock=lambda: now), Bounces(flow.store)
    await outcomes.report(partial(ticket, {0: REFUSED}, now))
    [first] = await bounces.claim(now, 10)  # the router dies here
    await outcomes.report(partial(ticket, {1: REFUSED}, now))
    [second] = await bounces.claim(now, 10)
    assert (set(first.targets), set(second.targets), second.key) == ({"0"}, {"0"}, first.key)
    await bounces.settle([second], now)
    [third] = await bounces.claim(now, 10)
    assert set(third.targets) == {"1"}
    await bounces.settle([third, first], now)  # the first router was only slow
    assert await bounces.claim(now + timedelta(hours=1), 10) == []


async def test_two_routers_claim_different_rows(flow: Flow) -> None:
    now = now_utc()
    for _ in range(4):
        ticket = await remote_ticket(flow, 1)
        await Outcomes(flow.store, clock=lambda: now).report(partial(ticket, {0: REFUSED}, now))
    claimed = [each.row["_id"] for _ in range(3) for each in await Bounces(flow.store).claim(now, 2)]
    assert len(claimed) == len(set(claimed)) == 4


@pytest.mark.parametrize("seed", range(25))
async def test_every_failed_target_is_in_exactly_one_bounce(flow: Flow, seed: int) -> None:
    """Random interleavings of reports, two routers that claim, accept and settle, and of their deaths."""
    chance, now = random.Random(seed), now_utc()
    ticket = await remote_ticket(flow)
    bounces = Bounces(flow.store)
    untried = list(range(TARGETS))
    failed: set[str] = set()
    accepted: dict[str, set[str]] = {}
    in_hand: list[tuple[DueReport, bool]] = []  # with whether its bounce was accepted

    async def step(action: str) -> None:
        nonlocal now
        now += timedelta(seconds=chance.choice([1, 1, 1, 400]))
        if action == "report" and untried:
            ended = {
                untried.pop(): chance.choice([REFUSED, REFUSED, RELAYED])
                for _ in range(chance.choice([1, 1, 2]))
                if untried
            }
            failed.update(str(number) for number, outcome in ended.items() if outcome is REFUSED)
            await Outcomes(flow.store, clock=lambda: now).report(
                partial(ticket, ended, now) if untried else _last(ticket, ended)
            )
        elif action == "claim":
            in_hand.extend((each, False) for each in await bounces.claim(now, 10))
        elif action == "accept" and in_hand:
            due, _ = in_hand.pop(chance.randrange(len(in_hand)))
            if due.targets:
                accepted.setdefault(due.key, set(due.targets))
            in_hand.append((due, True))
        elif action == "settle":
            done = [each for each in in_hand if each[1]]
            if done:
                in_hand.remove(done[0])
                await bounces.settle([done[0][0]], now)
        elif action == "die" and in_hand:
            in_hand.pop(chance.randrange(len(in_hand)))

    weights = {"report": 3, "claim": 4, "accept": 4, "settle": 3, "die": 2}
    for action in chance.choices(list(weights), list(weights.values()), k=30):
        await step(action)
    while untried:
        await step("report")
    in_hand.clear()
    for _ in range(2 * TARGETS):
        now += CLAIM * 2
        for due in await bounces.claim(now, 10):
            if due.targets:
                accepted.setdefault(due.key, set(due.targets))
            await bounces.settle([due], now)
    assert await bounces.claim(now + CLAIM * 2, 10) == []
    found = Counter(number for targets in accepted.values() for number in targets)
    assert found == Counter(failed)


def _last(ticket: Ticket, ended: dict[int, Outcome]) -> Report:
    """Report the rest of the targets as a ticket that was released again would."""
    rest = Ticket()
    rest.CopyFrom(ticket)
    del rest.recipients[:]
    rest.recipients.extend(target for target in ticket.recipients if target.index in ended)
    return Report(rest, ended)
