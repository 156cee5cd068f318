"""A connected store for the tests of this package."""

from collections.abc import AsyncIterator

import pytest

from mailyard.store.client import Store


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    yield store
    await store.close()
