"""What one router exports for all: waiting mail of tenants within bounds, and the canary."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from mailyard.router.backloggauges import OTHERS, BacklogGauges
from mailyard.router.settings import RouterSettings
from mailyard.runtime.metrics import gauge
from mailyard.spool.row import COLLECTION, RowState
from mailyard.spool.schema import ensure_schema
from mailyard.spool.watch.backlog import Backlog, CountTimedOut, count_backlog, largest
from mailyard.spool.watch.canary import Canary
from mailyard.store.client import Row, Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_shown() -> None:
    """Metrics belong to the process: a test must not see the values of an earlier one."""
    for name in ("mailyard_tenant_waiting_mails", "mailyard_spool_open_mails", "mailyard_canary_seconds"):
        gauge(name).clear()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    opened = Store(mongo_url, database)
    await opened.start()
    await ensure_schema(opened)
    yield opened
    await opened.close()


def gauges(store: Store, *, most: int = 2, instance: str = "router-0") -> BacklogGauges:
    settings = RouterSettings(backlog_tenants=most, instance=instance)
    return BacklogGauges(store, settings, clock=lambda: NOON)


async def insert(
    store: Store, tenant: str, count: int, state: RowState, due_at: datetime | None = NOON
) -> None:
    row: Row = {"tenant": tenant, "state": state} | ({"due_at": due_at} if due_at else {})
    await store.collection(COLLECTION).insert_many([dict(row) for _ in range(count)])


def waiting() -> dict[str, float]:
    return shown("mailyard_tenant_waiting_mails", "tenant")


def shown(name: str, label: str) -> dict[str, float]:
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == name]
    return {sample.labels[label]: sample.value for sample in samples}


async def test_tenants_with_most_waiting_mail_are_named_and_the_others_summed(store: Store) -> None:
    await insert(store, "large", 5, RowState.ACTIVE)
    await insert(store, "middle", 3, RowState.DEFERRED)
    await insert(store, "small", 2, RowState.ACTIVE)
    await insert(store, "tiny", 1, RowState.DEFERRED)
    await insert(store, "idle", 9, RowState.DONE, None)
    await gauges(store).export_backlog()
    assert waiting() == {"large": 5, "middle": 3, OTHERS: 3}
    assert shown("mailyard_spool_open_mails", "state") == {"active": 7, "deferred": 4, "held": 0}


async def test_a_tenant_whose_mail_has_ended_is_shown_no_more(store: Store) -> None:
    exporter = gauges(store)
    await insert(store, "past", 1, RowState.ACTIVE)
    await exporter.export_backlog()
    await store.collection(COLLECTION).delete_many({"tenant": "past"})
    await insert(store, "present", 1, RowState.ACTIVE)
    await exporter.export_backlog()
    assert waiting() == {"present": 1, OTHERS: 0}


async def test_a_router_without_the_lease_exports_nothing(store: Store) -> None:
    await insert(store, "large", 5, RowState.ACTIVE)
    await gauges(store, instance="router-0").export_backlog()
    await gauges(store, instance="router-1").export_backlog()
    assert shown("mailyard_spool_open_mails", "state") == {}


async def test_overdue_is_the_delay_of_the_earliest_deferred_mail(store: Store) -> None:
    await insert(store, "a", 1, RowState.DEFERRED, NOON - timedelta(seconds=90))
    await insert(store, "a", 1, RowState.DEFERRED, NOON + timedelta(seconds=90))
    await insert(store, "a", 1, RowState.ACTIVE, NOON - timedelta(hours=1))
    await gauges(store).export_backlog()
    assert REGISTRY.get_sample_value("mailyard_spool_overdue_seconds") == 90


async def test_mail_that_is_due_later_is_not_overdue(store: Store) -> None:
    await insert(store, "a", 1, RowState.DEFERRED, NOON + timedelta(seconds=90))
    await gauges(store).export_backlog()
    assert REGISTRY.get_sample_value("mailyard_spool_overdue_seconds") == 0


async def test_counting_reads_an_index_and_no_row(store: Store) -> None:
    await insert(store, "a", 300, RowState.ACTIVE)
    await insert(store, "b", 300, RowState.DONE, None)
    await store.db.command("profile", 2)
    await count_backlog(store, 5_000)
    await store.db.command("profile", 0)
    (seen,) = [row async for row in store.db["system.profile"].find({"command.aggregate": COLLECTION})]
    assert seen["docsExamined"] == 0
    assert seen["planSummary"].startswith("IXSCAN")
    assert seen["keysExamined"] <= 301


async def test_counting_ends_when_its_time_is_up(store: Store) -> None:
    await insert(store, "a", 20_000, RowState.ACTIVE)
    with pytest.raises(CountTimedOut, match="within 1 ms"):
        await count_backlog(store, 1)


def test_equal_tenants_are_ranked_by_name() -> None:
    assert largest({"c": 1, "b": 1, "a": 1, "d": 2}, 2) == ({"d": 2, "a": 1}, 2)
    assert largest({}, 2) == ({}, 0)


async def test_the_last_run_of_the_canary_is_exported(store: Store) -> None:
    canary = Canary(store)
    await canary.record("local", succeeded=True, seconds=1.5, at=NOON)
    await canary.record("echo", succeeded=False, seconds=60.0, at=NOON + timedelta(seconds=10))
    await gauges(store).export_canary()
    assert shown("mailyard_canary_success_state", "leg") == {"local": 1, "echo": 0}
    assert shown("mailyard_canary_seconds", "leg") == {"local": 1.5, "echo": 60.0}
    at = REGISTRY.get_sample_value("mailyard_canary_run_timestamp_seconds")
    assert at == (NOON + timedelta(seconds=10)).timestamp()


async def test_a_count_that_takes_long_is_done_less_often(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, taken = [NOON], [0]

    async def slow(*_: object) -> Backlog:
        taken[0] += 1
        now[0] += timedelta(seconds=3)
        return Backlog({}, {RowState.ACTIVE: 0, RowState.DEFERRED: 0}, None)

    monkeypatch.setattr("mailyard.router.backloggauges.count_backlog", slow)
    counting = BacklogGauges(store, RouterSettings(instance="router-0"), clock=lambda: now[0])
    for _ in range(6):
        await counting.export_backlog()
        now[0] += timedelta(seconds=15)
    assert taken[0] == 2
