"""A spool in a real store, and rows and tickets to put into it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.clock import to_ms
from mailyard.spool.row import COLLECTION
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

Rows = Callable[..., Awaitable[None]]


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    yield store
    await store.close()


@pytest.fixture
def ticket() -> Callable[..., Ticket]:
    """A ticket for `targets` recipients."""

    def make(spool_id: str = "a", *, targets: int = 1, **fields: Any) -> Ticket:
        recipients = [
            Recipient(address=f"user{number}@one.test", tenant="one", index=number)
            for number in range(targets)
        ]
        base: dict[str, Any] = {
            "sender": "s@x.test",
            "tenant": "one",
            "accepted_at_ms": to_ms(NOW),
            "blob_id": ObjectId().binary,
        }
        return Ticket(spool_id=spool_id, recipients=recipients, **(base | fields))

    return make


@pytest.fixture
def insert(store: Store) -> Rows:
    """Insert a row that is active, unless its fields say otherwise."""

    async def one(row_id: str = "a", **fields: Any) -> None:
        base: dict[str, Any] = {
            "_id": row_id,
            "state": "active",
            "epoch": 0,
            "due_at": NOW,
            "tenant": "one",
            "sender": "s@x.test",
            "recipients": [],
            "blob": ObjectId(),
            "size": 1,
            "prefix": b"",
            "accepted_at": NOW,
        }
        await store.collection(COLLECTION).insert_one(base | fields)

    return one


@pytest.fixture
def row(store: Store) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Read a row."""

    async def one(row_id: str = "a") -> dict[str, Any]:
        found = await store.collection(COLLECTION).find_one({"_id": row_id})
        assert found is not None
        return found

    return one
