from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from mailyard.spool.watch.canary import Canary, CanaryRun
from mailyard.store.client import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def canary(mongo_url: str, database: str) -> AsyncIterator[Canary]:
    store = Store(mongo_url, database)
    await store.start()
    yield Canary(store)
    await store.close()


async def test_nothing_is_known_before_the_first_run(canary: Canary) -> None:
    assert await canary.latest() == []


async def test_each_leg_keeps_its_last_run(canary: Canary) -> None:
    await canary.record("local", succeeded=True, seconds=0.5, at=NOON)
    await canary.record("echo", succeeded=True, seconds=1.5, at=NOON)
    await canary.record("local", succeeded=False, seconds=60.0, at=NOON + timedelta(minutes=5))
    assert await canary.latest() == [
        CanaryRun("echo", succeeded=True, seconds=1.5, at=NOON),
        CanaryRun("local", succeeded=False, seconds=60.0, at=NOON + timedelta(minutes=5)),
    ]


async def test_a_run_that_is_written_late_does_not_hide_a_newer_one(canary: Canary) -> None:
    await canary.record("local", succeeded=True, seconds=0.5, at=NOON)
    await canary.record("local", succeeded=False, seconds=60.0, at=NOON - timedelta(minutes=5))
    assert await canary.latest() == [CanaryRun("local", succeeded=True, seconds=0.5, at=NOON)]
