"""Makes the doubles of this folder importable by its tests, and opens a prepared store."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bson import ObjectId

from mailyard.directory.indexes import ensure_indexes
from mailyard.mailbox.rows import ensure_schema as ensure_mailboxes
from mailyard.spool.schema import ensure_schema as ensure_spool
from mailyard.store.client import Store

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_spool(store)
    await ensure_mailboxes(store)
    await ensure_indexes(store)
    yield store
    await store.close()


@pytest.fixture
def account() -> str:
    return str(ObjectId())
