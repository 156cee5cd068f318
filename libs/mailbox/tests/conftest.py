"""A store for each test; the tests import the modules beside them."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailyard.store.client import Store

sys.path.insert(0, str(Path(__file__).parent))

from mailbox_builders import open_store  # found through the line above


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    async with open_store(mongo_url, database) as store:
        yield store
