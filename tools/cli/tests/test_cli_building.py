"""Index builds: the setup waits for them, reports, and joins a build after a lost connection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import ASCENDING, AsyncMongoClient, IndexModel

from mailyard.cli.setup import building
from mailyard.runtime.errors import Unavailable
from mailyard.store import client
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.indexes import builds_under_way, create_indexes


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    yield store
    await store.close()


async def test_a_build_that_lasts_is_reported_and_a_lost_connection_joins_it_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    told: list[str] = []
    reported = asyncio.Event()

    def say(text: str) -> None:
        told.append(text)
        if "building" in text:
            reported.set()

    async def build(_: Store) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Unavailable("the primary stepped down")
        await reported.wait()

    monkeypatch.setattr(building, "ensure_all", build)
    monkeypatch.setattr(building, "RETRY_SECONDS", 0.0)
    await building.build_indexes(store, 60, say, report_seconds=0.05)
    assert tries == 2
    assert told[0] == "MongoDB: the primary stepped down; a build that has begun continues; trying again"
    assert told[1] == "MongoDB: building indexes: waiting for the servers"


async def test_a_store_that_stays_unreachable_ends_the_setup_after_a_limited_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def build(_: Store) -> None:
        raise Unavailable("no server")

    monkeypatch.setattr(building, "ensure_all", build)
    monkeypatch.setattr(building, "RETRY_SECONDS", 0.0)
    with pytest.raises(Unavailable, match="no server"):
        await building.build_indexes(store, 0.0, lambda _: None)


async def test_a_build_outlasts_the_time_out_of_a_clients_other_commands(
    mongo_url: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(*args: Any, **options: Any) -> AsyncMongoClient[Row]:
        return AsyncMongoClient(*args, **options | {"socketTimeoutMS": 50})

    store = Store(mongo_url, database)
    await store.start()
    rows = store.collection("large")
    for _ in range(40):
        await rows.insert_many([{"a": number, "b": "x" * 50} for number in range(2_000)])
    monkeypatch.setattr(client, "AsyncMongoClient", hasty)
    brief = Store(mongo_url, database)
    keys = [(name, ASCENDING) for name in ("b", "a", "_id")]
    with pytest.raises(Unavailable), unavailable_when_away():
        await brief.collection("large").find({"$where": "sleep(200) || true"}).to_list()
    await create_indexes(brief, "large", [IndexModel(keys, name="long")])
    assert "long" in await rows.index_information()
    assert await builds_under_way(store) == []
    await brief.close()
    await store.close()
