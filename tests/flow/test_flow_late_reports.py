"""Two relays, store outages and late reports: no target loses its outcome, and the ledger is balanced."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from mailyard.broker.pipeline import Queue, QueuePath, Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import now_utc
from mailyard.spool.outcome import Deferral, Outcome, Report, Result, ended_alike
from mailyard.spool.queue.bounces import CLAIM, Bounces
from mailyard.spool.queue.leases import LEASE, RECOVERY, Leases
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.release import Release
from tests.flow.parts import Flow

TARGETS = 4
ENDS = {
    0: Outcome(Result.RELAYED, "2.0.0", "250 ok", "mx.remote.test"),
    1: Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test"),
    2: Outcome(Result.RELAYED, "2.0.0", "250 ok", "mx.remote.test"),
    3: Outcome(Result.BOUNCED, "5.7.1", "550 5.7.1 no", "mx.remote.test"),
}


@pytest.mark.parametrize("seed", range(15))
async def test_whatever_order_reports_come_in_each_target_ends_once(flow: Flow, seed: int) -> None:
    chance, now = random.Random(seed), now_utc()
    await flow.accept(*(f"u{number}@remote.test" for number in range(TARGETS)), sender="bob@one.test")
    await flow.route()
    published = flow.broker.take(Queue.REMOTE_FILTER)
    spool_id = published[0].spool_id
    release, outcomes = Release(flow.store), Outcomes(flow.store, clock=lambda: now)
    in_hand: list[Ticket] = []  # what relays are sending; they know nothing of each other

    async def look() -> None:
        """Release what is due and what is lost, as a router does that has looked regularly."""
        nonlocal now
        now += LEASE + RECOVERY
        for _ in range(4):
            now += timedelta(seconds=30)
            published.extend(ticket for _, ticket in await release.lost({QueuePath.REMOTE: now}, now, 10))
        published.extend(ticket for _, ticket in await release.due(now, 10))

    async def step(action: str) -> None:
        if action == "look":
            await look()
        elif action == "claim" and published:
            some = published.pop(chance.choice([-1, -1, -1, 0]))  # an old one is void mostly
            in_hand.extend(await Leases(flow.store, clock=lambda: now).claim([some]))
        elif action == "report" and in_hand:
            ticket = in_hand.pop(chance.randrange(len(in_hand)))
            some_ended = {each.index: ENDS[each.index] for each in ticket.recipients if chance.random() < 0.4}
            for _ in range(chance.choice([1, 2])):  # a write whose answer was lost is repeated
                await outcomes.report(_report(ticket, some_ended))

    for action in chance.choices(["look", "claim", "report"], [2, 3, 2], k=25):
        before = (await flow.row(spool_id)).get("outcomes", {})
        await step(action)
        after = (await flow.row(spool_id)).get("outcomes", {})
        assert before.keys() <= after.keys()
        assert await flow.unaccounted() == {"remote": 0}
    for _ in range(60):
        if (await flow.row(spool_id))["state"] == "done":
            break
        for action in ("look", "claim", "report", "report"):
            await step(action)
    row = await flow.row(spool_id)
    assert (row["state"], len(row["outcomes"])) == ("done", TARGETS)
    assert await flow.unaccounted() == {"remote": 0}
    found: Counter[str] = Counter()
    bounces = Bounces(flow.store)
    while due := await bounces.claim(now := now + 2 * CLAIM, 10):
        for each in due:
            found.update(each.named)
        await bounces.settle(due, now)
    assert found == Counter(["1", "3"])


def _report(ticket: Ticket, ended: dict[int, Outcome]) -> Report:
    rest = [each for each in ticket.recipients if each.index not in ended]
    due_at = now_utc() + timedelta(minutes=1)
    return Report(ticket, ended, Deferral(due_at, Route.REMOTE, "4.2.1", "450 later") if rest else None)


async def test_a_late_ticket_of_a_message_that_was_split_ends_nothing(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test", "x@remote.test", sender="bob@one.test")
    [whole] = flow.broker.take(Queue.SMTP_IN_ROUTE)
    late = Ticket.FromString(whole.SerializeToString())
    await flow.intake.handle([whole])
    await Outcomes(flow.store).report(ended_alike(late, ENDS[1]))
    row = await flow.row(spool_id)
    assert row["state"] == "split"
    assert "outcomes" not in row
    assert "bounce_at" not in row
    assert await flow.unaccounted() == {"one": 0, "remote": 0}
