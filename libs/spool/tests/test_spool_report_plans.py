"""The queries that look for due reports read what they return, however many rows wait."""

from datetime import timedelta
from typing import Any

import pytest

from mailyard.runtime.clock import now_utc
from mailyard.spool.queue.delays import NEVER
from mailyard.spool.row import COLLECTION
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store

ROWS = 5000


@pytest.mark.parametrize("field", ["bounce_at", "delay_at"])
async def test_due_reports_are_found_by_an_index_alone(mongo_url: str, database: str, field: str) -> None:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    now = now_utc()
    rows: list[dict[str, Any]] = [{"_id": f"w{number}", "state": "active"} for number in range(ROWS)]
    rows += [{"_id": f"l{number}", field: now + timedelta(hours=1)} for number in range(ROWS)]
    rows += [{"_id": f"n{number}", field: NEVER} for number in range(ROWS)]
    rows += [{"_id": f"d{number}", field: now - timedelta(seconds=number)} for number in range(150)]
    await store.collection(COLLECTION).insert_many(rows)
    query = {"find": COLLECTION, "filter": {field: {"$lte": now}}, "sort": {field: 1}, "limit": 100}
    plan = await store.db.command("explain", query, verbosity="executionStats")
    stats = plan["executionStats"]
    assert (stats["nReturned"], stats["totalDocsExamined"]) == (100, 100)
    assert stats["totalKeysExamined"] <= 101
    assert '"SORT"' not in str(plan["queryPlanner"]["winningPlan"]).replace("'", '"')
    await store.close()
