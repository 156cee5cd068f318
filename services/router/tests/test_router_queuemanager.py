"""QueueManager: what one router does for all, and what it says of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from mailyard.router import queuemanager
from mailyard.router.queuemanager import QueueManager
from mailyard.router.settings import RouterSettings
from mailyard.spool.ledger.audit import Audit
from mailyard.spool.ledger.ledger import COLUMNS, LedgerLine
from mailyard.store.client import Store

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    opened = Store(mongo_url, database)
    await opened.start()
    yield opened
    await opened.close()


def manager(store: Store, instance: str) -> QueueManager:
    nothing = cast("Any", None)
    return QueueManager(store, nothing, nothing, RouterSettings(instance=instance), clock=lambda: NOON)


async def test_the_log_names_twenty_differing_lines_and_says_how_many_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    became = dict.fromkeys(COLUMNS, 0)
    wrong = tuple(LedgerLine(f"t{number}", NOON, 1, 0, became) for number in range(50))

    async def audit(*_: object) -> Audit:
        return Audit(wrong, 50, {}, 0)

    monkeypatch.setattr("mailyard.spool.ledger.audit.LedgerAuditor.audit", audit)
    with capture_logs() as logs:
        monkeypatch.setattr(queuemanager, "_log", queuemanager.get_logger("test"))
        await manager(store, "one").audit_ledger()
    told = [entry for entry in logs if entry["event"] == "ledger.unaccounted"]
    assert [entry["tenant"] for entry in told] == [f"t{number}" for number in range(20)]
    assert {entry["lines"] for entry in told} == {50}


async def test_a_router_without_the_lease_forgets_what_it_knew_of_open_minutes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[Any] = []

    def forget(keeper: Any) -> None:
        forgotten.append(keeper)

    monkeypatch.setattr("mailyard.spool.ledger.audit.LedgerAuditor.forget", forget)
    await manager(store, "holder").audit_ledger()
    await manager(store, "other").audit_ledger()
    assert len(forgotten) == 1
