"""One prepared flow for each test."""

from collections.abc import AsyncIterator

import pytest

from mailyard.store.client import Store
from tests.flow.parts import Flow


@pytest.fixture
async def flow(mongo_url: str, database: str) -> AsyncIterator[Flow]:
    store = Store(mongo_url, database)
    await store.start()
    flow = Flow(store)
    await flow.prepare()
    yield flow
    await store.close()
