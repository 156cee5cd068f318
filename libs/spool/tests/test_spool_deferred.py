"""How much deferred mail there is, and when it is tried next."""

from datetime import UTC, datetime, timedelta
from typing import Any

from mailyard.spool.watch.deferred import Deferred, read_deferred
from mailyard.store.client import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def row(name: str, **fields: Any) -> dict[str, Any]:
    return {"_id": name, "tenant": "one", "state": "deferred", "route": "remote", **fields}


async def test_without_deferred_mail_nothing_waits_and_nothing_is_due(store: Store) -> None:
    await store.collection("spool").insert_one(row("a", state="active", due_at=NOW))
    assert await read_deferred(store) == Deferred(0, None)


async def test_deferred_rows_of_all_routes_count_and_the_next_one_is_the_earliest_also_when_it_is_overdue(
    store: Store,
) -> None:
    overdue = NOW - timedelta(days=2)
    await store.collection("spool").insert_many(
        [
            row("whole", due_at=NOW + timedelta(hours=1), route="edge"),
            row("whole.2", due_at=overdue),
            row("unrouted", due_at=NOW, route=None),
            row("local", due_at=NOW, route="local"),
            row("active", state="active", due_at=NOW - timedelta(days=3)),
            row("split", state="split"),
            row("done", state="done", ended_at=NOW),
        ]
    )
    assert await read_deferred(store) == Deferred(4, overdue)
