"""In whatever order tickets are released, doubled and reported, a row and the ledger stay true after each report."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger.ledger import MINUTE, Ledger, entry_of, minute_of, write_entry
from mailyard.spool.outcome import Deferral, Outcome, Report, Result
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.release import Release
from mailyard.spool.row import COLLECTION, row_of, ticket_of
from mailyard.store.body import Body
from mailyard.store.client import Row, Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WAIT = timedelta(minutes=1)
RESULTS = (Result.DELIVERED, Result.RELAYED, Result.BOUNCED)

RELEASE = "release"
# A release, or a report: which of the tickets so far it is of, and the results of its targets (None: deferred).
STEPS = st.lists(
    st.one_of(
        st.just(RELEASE),
        st.tuples(st.integers(0, 5), st.lists(st.sampled_from((*RESULTS, None)), min_size=3, max_size=3)),
    ),
    max_size=8,
)


@dataclass
class Message:
    """A message of three recipients, and all tickets that were ever released for it."""

    store: Store
    spool_id: str = field(default_factory=lambda: new_spool_id(NOW))
    now: datetime = NOW
    tickets: list[Ticket] = field(default_factory=list)
    given: dict[str, set[str]] = field(default_factory=dict)  # results that reports gave, by target

    async def accept(self) -> None:
        names = ("ann@one.test", "bob@one.test", "eve@two.test")
        acceptance = Acceptance(
            sender="s@x.test",
            recipients=tuple(Recipient(address=name, tenant=name.split("@")[1]) for name in names),
            tenant="one.test",
            source=Source.MX,
            client=TransferringClient(),
            body=Body(ObjectId(), 1, b"x"),
            prefix=lambda _id, _at: b"",
        )
        batch = ObjectId()
        row = row_of(acceptance, self.spool_id, batch, NOW, b"")
        await self.store.collection(COLLECTION).insert_one(row)
        await write_entry(self.store, entry_of(batch, NOW, "test", [row]))
        self.tickets.append(ticket_of(row))

    async def row(self) -> Row:
        row = await self.store.collection(COLLECTION).find_one({"_id": self.spool_id})
        assert row is not None
        return row

    async def release(self) -> None:
        self.now += 2 * WAIT
        for _, ticket in await Release(self.store).due(self.now, 100):
            if ticket.spool_id == self.spool_id:
                self.tickets.append(ticket)

    async def report(self, number: int, results: list[Result | None]) -> None:
        ticket = self.tickets[number % len(self.tickets)]
        outcomes = {
            target.index: Outcome(result)
            for target, result in zip(ticket.recipients, results, strict=False)
            if result is not None
        }
        deferral = Deferral(self.now + WAIT, Route.REMOTE, "4.4.1", "no answer")
        ends = len(outcomes) == len(ticket.recipients)
        is_open = (await self.row())["state"] != "done"
        await Outcomes(self.store, clock=lambda: self.now).report(
            Report(ticket, outcomes, None if ends else deferral)
        )
        for index, outcome in outcomes.items() if is_open else ():
            self.given.setdefault(str(index), set()).add(outcome.result)


@given(STEPS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the store is empty enough: each example has a message of its own
async def test_after_every_report_the_row_says_who_has_ended_and_who_waits(store, steps):
    message = Message(store)
    await message.accept()
    for step in steps:
        before = await message.row()
        if step == RELEASE:
            await message.release()
        else:
            await message.report(*step)
        after = await message.row()
        ended = after.get("outcomes", {})
        assert set(before.get("outcomes", {})) <= set(ended), "an outcome is never forgotten"
        assert set(ended) == set(message.given)
        assert all(ended[target]["result"] in results for target, results in message.given.items())
        assert (after["state"] == "done") == (len(ended) == 3)
        assert ("due_at" in after) == ("ended_at" not in after) == (after["state"] != "done")
        if after["state"] == "done":
            assert after == before or before["state"] != "done", "a row that has ended does not change"
        else:
            waiting = [str(target.index) for target in ticket_of(after).recipients]
            assert sorted(waiting) == sorted({"0", "1", "2"} - set(ended))
        failed = any(each["result"] == Result.BOUNCED for each in ended.values())
        assert "bounce_at" in after or not failed, "every failure is reported"


@given(STEPS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_ledger_balances_after_every_report(store, steps):
    message = Message(store)
    await message.accept()
    for step in steps:
        if step == RELEASE:
            await message.release()
        else:
            await message.report(*step)
        ended = len((await message.row()).get("outcomes", {}))
        begin = minute_of(NOW)
        lines = await Ledger(store).compare(begin, begin + MINUTE)
        assert [line.unaccounted for line in lines] == [0, 0]
        totals = sum(sum(line.became.values()) for line in lines)
        assert totals == sum(line.accepted for line in lines)
        assert sum(line.became["in_flight"] for line in lines) >= 3 - ended
    await store.collection(COLLECTION).delete_many({})
    await store.collection("ledger").delete_many({})


async def test_reports_that_are_submitted_together_are_written_in_few_commands(store, insert, ticket):
    names = [f"a{number:03}" for number in range(100)]
    for name in names:
        await insert(name)
    outcomes = Outcomes(store, clock=lambda: NOW)
    await store.db.command("profile", 2)
    reports = [Report(ticket(name), {0: Outcome(Result.RELAYED)}) for name in names]
    await outcomes.report_many(reports)
    await outcomes.report_many(reports)
    await outcomes.report_many([])
    await store.db.command("profile", 0)
    assert await store.collection(COLLECTION).count_documents({"state": "done"}) == 100
    updates = store.collection("system.profile").find({"op": "update", "ns": {"$regex": "[.]spool$"}})
    assert sum([each.get("nModified", 0) async for each in updates]) == 100, "again, nothing changes"
