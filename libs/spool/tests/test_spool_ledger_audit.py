"""Keeping the ledger: minutes close when they are complete, stay open when something waits, and report what is wrong."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from mailyard.broker.pipeline import Queue, Route
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger.audit import LedgerAuditor
from mailyard.spool.ledger.ledger import ENTRIES, Ledger, entry_of, hour_of
from mailyard.spool.outcome import Outcome, Result, ended_alike
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.spool import Spool
from mailyard.spool.schema import ensure_schema
from mailyard.store.body import Body
from mailyard.store.client import Store

BEGIN = datetime(2026, 11, 23, 11, 58, 30, tzinfo=UTC)
DELIVERED = Outcome(Result.DELIVERED)


class Scene:
    """A spool and an auditor whose clock the test moves."""

    def __init__(self, store: Store) -> None:
        self.now = BEGIN
        self.store = store
        self.tickets: list[Ticket] = []
        self.spool = Spool(store, self, stage="test", clock=lambda: self.now)  # type: ignore[arg-type]
        self.auditor = LedgerAuditor(store, clock=lambda: self.now)

    async def publish(self, _queue: Queue, tickets: list[Ticket]) -> None:
        self.tickets += tickets

    async def accept(self) -> Ticket:
        await self.spool.accept(
            Acceptance(
                sender="s@x.test",
                recipients=(Recipient(address="a@one.test", tenant="one"),),
                tenant="one",
                source=Source.MX,
                client=TransferringClient(),
                body=Body(ObjectId(), 1, b"x"),
                prefix=lambda _id, _at: b"",
            )
        )
        return self.tickets[-1]

    async def end(self, ticket: Ticket) -> None:
        await Outcomes(self.store, clock=lambda: self.now).report(ended_alike(ticket, DELIVERED))

    async def summary(self) -> list[tuple[int, int, int, int]]:
        hours = await Ledger(self.store).hourly_lines(hour_of(BEGIN), hour_of(self.now) + timedelta(hours=1))
        return [
            (line.accepted, line.became["delivered"], line.became["in_flight"], line.unaccounted)
            for line in hours
        ]

    async def entries(self) -> int:
        return await self.store.collection(ENTRIES).count_documents({})


@pytest.fixture
async def scene(mongo_url: str, database: str) -> AsyncIterator[Scene]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    yield Scene(store)
    await store.close()


async def test_an_empty_system_has_nothing_to_look_at(scene: Scene) -> None:
    audit = await scene.auditor.audit("router")
    assert (audit.wrong, dict(audit.totals)) == ((), {})


async def test_a_complete_minute_is_closed_after_it_has_settled_and_its_totals_stay(scene: Scene) -> None:
    await scene.end(await scene.accept())
    scene.now += timedelta(seconds=50)  # the minute has passed, and is not settled
    audit = await scene.auditor.audit("router")
    assert audit.totals["delivered"] == 1
    assert await scene.entries() == 1
    scene.now += timedelta(minutes=4)
    await scene.end(await scene.accept())
    assert (await scene.auditor.audit("router")).wrong == ()
    assert await scene.entries() == 1
    assert await scene.summary() == [(1, 1, 0, 0), (1, 1, 0, 0)]


async def test_mail_that_comes_in_the_minute_of_the_first_audit_is_audited_too(scene: Scene) -> None:
    await scene.auditor.audit("router")  # the router has just started; nothing came in this minute yet
    await scene.end(await scene.accept())
    await scene.store.collection(ENTRIES).delete_many({})  # the edge died before it wrote its entry
    recovered = 0
    for _ in range(3):
        scene.now += timedelta(minutes=3)
        recovered += (await scene.auditor.audit("router")).recovered
    assert recovered == 1
    assert await scene.summary() == [(1, 1, 0, 0)]


async def test_a_minute_in_which_a_message_waits_stays_open_until_it_ends(scene: Scene) -> None:
    ticket = await scene.accept()
    report = defer(ticket, Route.LOCAL, scene.now, "4.3.0", "later", rng=lambda: 0.5)
    await Outcomes(scene.store, clock=lambda: scene.now).report(report)
    for _ in range(5):
        scene.now += timedelta(minutes=3)
        await scene.auditor.audit("router")
    assert await scene.entries() == 1
    assert await scene.summary() == [(1, 0, 1, 0)]
    await scene.end(ticket)
    scene.now += timedelta(hours=1)
    await scene.auditor.audit("router")
    assert await scene.entries() == 0
    assert (await scene.summary())[0] == (1, 1, 0, 0)


async def test_a_lost_row_is_reported_at_the_second_audit_and_never_closed(scene: Scene) -> None:
    ticket = await scene.accept()
    await scene.store.collection("spool").delete_one({"_id": ticket.spool_id})
    scene.now += timedelta(seconds=50)
    assert (await scene.auditor.audit("router")).wrong == ()
    [line] = (await scene.auditor.audit("router")).wrong
    assert (line.tenant, line.unaccounted) == ("one", 1)
    scene.now += timedelta(hours=5)
    [line] = (await scene.auditor.audit("router")).wrong
    assert line.unaccounted == 1
    assert await scene.summary() == [(1, 0, 0, 1)]


async def test_a_batch_without_an_entry_gets_one_when_its_edge_had_time_enough(scene: Scene) -> None:
    await scene.end(await scene.accept())
    await scene.store.collection(ENTRIES).delete_many({})
    assert (await scene.auditor.audit("router")).recovered == 0
    scene.now += timedelta(minutes=4)
    assert (await scene.auditor.audit("router")).recovered == 1
    assert await scene.summary() == [(1, 1, 0, 0)]


async def test_an_auditor_that_starts_anew_goes_on_where_the_last_one_was(scene: Scene) -> None:
    await scene.end(await scene.accept())
    scene.now += timedelta(minutes=10)
    await scene.auditor.audit("router")
    scene.now += timedelta(minutes=10)
    await scene.end(await scene.accept())
    scene.now += timedelta(minutes=10)
    fresh = LedgerAuditor(scene.store, clock=lambda: scene.now)
    assert (await fresh.audit("other")).wrong == ()
    assert await scene.entries() == 0
    assert [line[0] for line in await scene.summary()] == [1, 1]


async def test_a_late_entry_of_a_closed_minute_counts_nothing_twice(scene: Scene) -> None:
    await scene.end(await scene.accept())
    [entry] = [row async for row in scene.store.collection(ENTRIES).find({})]
    scene.now += timedelta(minutes=10)
    await scene.auditor.audit("router")
    await scene.store.collection(ENTRIES).insert_one(entry)
    assert (await scene.auditor.audit("router")).wrong == ()
    assert await scene.summary() == [(1, 1, 0, 0)]


async def bulk(scene: Scene, minutes: int, tenants: int) -> None:
    """Open lines: in each minute each tenant has one message that waits."""
    first = BEGIN - timedelta(minutes=minutes)
    for number in range(minutes):
        at = first + timedelta(minutes=number)
        names = [f"t{tenant}" for tenant in range(tenants)]
        batch = ObjectId()
        rows = [
            {
                "_id": new_spool_id(at),
                "state": "deferred",
                "due_at": BEGIN,
                "batch": batch,
                "accepted_at": at,
                "recipients": [{"address": f"a@{name}", "tenant": name}],
            }
            for name in names
        ]
        await scene.store.collection("spool").insert_many(rows)
        await scene.store.collection(ENTRIES).insert_one(entry_of(batch, at, "edge", rows))


async def test_an_auditor_holds_sums_of_open_minutes_and_no_line_that_is_right(scene: Scene) -> None:
    await bulk(scene, 30, 50)
    scene.now += timedelta(minutes=4)
    audit = await scene.auditor.audit("router")
    assert (audit.totals["accepted"], audit.totals["in_flight"], audit.wrong) == (1500, 1500, ())
    assert sum(len(known.sums.differing) for known in scene.auditor._open.values() if known) == 0


async def test_an_audit_without_news_reads_neither_rows_nor_entries(scene: Scene) -> None:
    await bulk(scene, 30, 5)
    scene.now += timedelta(minutes=4)
    await scene.auditor.audit("router")
    await scene.store.db.command("profile", 2)
    await scene.auditor.audit("router")
    await scene.store.db.command("profile", 0)
    profile = scene.store.collection("system.profile")
    examined = [each["docsExamined"] async for each in profile.find({"docsExamined": {"$exists": True}})]
    assert sum(examined) <= 2


async def test_an_auditor_that_starts_anew_takes_a_bounded_number_of_minutes_the_newest_first(
    scene: Scene,
) -> None:
    await bulk(scene, 300, 1)
    scene.now += timedelta(minutes=4)
    seen = [(await scene.auditor.audit("router")).totals["accepted"] for _ in range(4)]
    assert seen[0] <= 120
    assert seen[-1] == 300


async def test_many_differing_lines_are_counted_in_full_and_kept_in_part(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailyard.spool.ledger.audit._KEPT_LINES", 120)
    await bulk(scene, 4, 110)
    await scene.store.collection("spool").delete_many({})
    scene.now += timedelta(minutes=4)
    assert (await scene.auditor.audit("router")).unaccounted == 0
    audit = await scene.auditor.audit("router")
    assert audit.unaccounted == 440
    assert 0 < len(audit.wrong) <= 120


async def test_a_crash_while_a_minute_is_closed_leaves_it_open_and_whole(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.end(await scene.accept())
    scene.now += timedelta(minutes=5)
    real = AsyncCollection.delete_many

    async def died(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(AsyncCollection, "delete_many", died)
    with pytest.raises(RuntimeError):
        await scene.auditor.audit("router")
    monkeypatch.setattr(AsyncCollection, "delete_many", real)
    assert await scene.summary() == [(1, 1, 0, 0)]
    await LedgerAuditor(scene.store, clock=lambda: scene.now).audit("router")
    assert await scene.entries() == 0
    assert await scene.summary() == [(1, 1, 0, 0)]


async def test_an_auditor_that_lost_its_lease_forgets_what_another_may_have_closed(scene: Scene) -> None:
    ticket = await scene.accept()
    scene.now += timedelta(minutes=5)
    assert (await scene.auditor.audit("router")).totals["in_flight"] == 1
    await scene.end(ticket)
    await LedgerAuditor(scene.store, clock=lambda: scene.now).audit("other")
    scene.auditor.forget()
    audit = await scene.auditor.audit("router")
    assert (dict(audit.totals), audit.unaccounted) == ({}, 0)


async def test_a_result_of_a_later_version_counts_as_an_end(scene: Scene) -> None:
    """During an upgrade a router of this version audits rows that a later version ended."""
    await scene.accept()
    await scene.end(scene.tickets[0])
    rows = scene.store.collection("spool")
    await rows.update_one({}, {"$set": {"sum.result": "teleported", "outcomes.0.result": "teleported"}})
    scene.now += timedelta(minutes=10)
    for _ in range(2):
        audit = await scene.auditor.audit("router")
        assert (audit.unaccounted, audit.wrong) == (0, ())
    [line] = await Ledger(scene.store).hourly_lines(hour_of(BEGIN), hour_of(BEGIN) + timedelta(hours=1))
    assert (line.accepted, line.became["teleported"], line.unaccounted) == (1, 1, 0)
    assert await scene.entries() == 0, "a minute with an unknown result is never closed"


async def test_a_closed_minute_of_an_earlier_version_has_no_column_of_later_results(scene: Scene) -> None:
    became = {
        "delivered": 2,
        "relayed": 0,
        "bounced": 0,
        "discarded": 0,
        "quarantined": 0,
        "expired": 0,
        "in_flight": 0,
    }
    await scene.store.collection("ledger_hours").insert_one(
        {
            "hour": hour_of(BEGIN),
            "tenant": "one",
            "minutes": {"7": {"accepted": 2, "expanded": 0, "became": became}},
        }
    )
    [line] = await Ledger(scene.store).hourly_lines(hour_of(BEGIN), hour_of(BEGIN) + timedelta(hours=1))
    assert (line.became["delivered"], line.became["redirected"], line.unaccounted) == (2, 0, 0)


@pytest.mark.parametrize("result", list(Result))
async def test_every_result_balances_the_ledger(scene: Scene, result: Result) -> None:
    ticket = await scene.accept()
    await Outcomes(scene.store, clock=lambda: scene.now).report(ended_alike(ticket, Outcome(result)))
    scene.now += timedelta(minutes=10)
    for _ in range(2):
        assert (await scene.auditor.audit("router")).unaccounted == 0
    [line] = await Ledger(scene.store).hourly_lines(hour_of(BEGIN), hour_of(BEGIN) + timedelta(hours=1))
    assert (line.became[result], line.unaccounted) == (1, 0)
