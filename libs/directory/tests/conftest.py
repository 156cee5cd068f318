"""A directory on a real MongoDB, with cheap hashes and a clock that the test moves."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from mailyard.directory.directory import Directory
from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store


@dataclass
class ManualClock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await ensure_indexes(store)
    yield store
    await store.close()


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(HashCost(time=1, memory_kib=8))


@pytest.fixture
def provisioning(store: Store, passwords: Passwords) -> Provisioning:
    return Provisioning(store, passwords, now_utc)


@pytest.fixture
def directory(store: Store, clock: ManualClock) -> Directory:
    return Directory(store, clock=clock)


@pytest.fixture
async def example(provisioning: Provisioning) -> Provisioning:
    """Tenant `acme` with example.org and anna, bert; tenant `other` with other.net and carl."""
    await provisioning.add_tenant("acme", "Acme Corp.")
    await provisioning.add_domain("acme", "example.org")
    await provisioning.add_account("acme", "anna@example.org", "correct horse")
    await provisioning.add_account("acme", "bert@example.org", "battery staple")
    await provisioning.add_tenant("other")
    await provisioning.add_domain("other", "other.net")
    await provisioning.add_account("other", "carl@other.net", "carl's password")
    return provisioning
