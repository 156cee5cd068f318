"""The quotas of accounts by id, from a real MongoDB and from the cache."""

import pytest
from bson import ObjectId

from mailyard.directory.quotas import AccountQuotas
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store

ANNA, CARL = Address("anna", "example.org"), Address("carl", "other.net")


@pytest.fixture
async def limited(example) -> dict[str, ObjectId]:
    """Ids by name: dora and carl have a quota, anna has none; carl belongs to another tenant."""
    dora = await example.add_account("acme", "dora@example.org", "long enough", 5_000_000)
    await example.set_account("other", "carl@other.net", quota_bytes=1)
    carl = await example.require_account("other", CARL)
    anna = await example.require_account("acme", ANNA)
    return {"dora": dora.id, "carl": carl.id, "anna": anna.id}


@pytest.fixture
def quotas(store, clock) -> AccountQuotas:
    return AccountQuotas(store, clock=clock)


@pytest.fixture
def asked(quotas, monkeypatch) -> list[set[ObjectId]]:
    """The accounts of each query."""
    queries: list[set[ObjectId]] = []
    read = quotas.entry_quotas

    async def noted(accounts):
        queries.append(set(accounts))
        return await read(accounts)

    monkeypatch.setattr(quotas, "entry_quotas", noted)
    return queries


async def test_only_accounts_with_a_quota_are_returned_whoever_owns_them(quotas, limited):
    found = await quotas.of([*limited.values(), ObjectId()])
    assert found == {limited["dora"]: 5_000_000, limited["carl"]: 1}
    assert await quotas.of([]) == {}


async def test_accounts_that_are_not_cached_cost_one_query_together(quotas, limited, asked):
    await quotas.of([limited["dora"]])
    await quotas.of(list(limited.values()))
    assert asked == [{limited["dora"]}, {limited["carl"], limited["anna"]}]


async def test_an_account_without_a_quota_is_cached_too(quotas, limited, asked):
    unknown = ObjectId()
    for _ in range(3):
        assert await quotas.of([limited["anna"], unknown]) == {}
    assert asked == [{limited["anna"], unknown}]


@pytest.mark.parametrize("quota", [7, 0])
async def test_a_changed_quota_is_in_force_after_thirty_seconds(example, quotas, limited, clock, quota):
    dora = limited["dora"]
    before = await quotas.of([dora])
    await example.set_account("acme", "dora@example.org", quota_bytes=quota)
    clock.now += 29.9
    assert await quotas.of([dora]) == before
    clock.now += 0.1
    assert await quotas.of([dora]) == ({dora: quota} if quota else {})


async def test_an_unreachable_store_is_unavailable_and_is_not_cached_as_no_quota(
    quotas, limited, store, monkeypatch
):
    unreachable = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=200)
    with monkeypatch.context() as patch:
        patch.setattr(quotas, "_rows", unreachable.collection("accounts"))
        with pytest.raises(Unavailable):
            await quotas.of([limited["dora"]])
    await unreachable.close()
    assert await quotas.of([limited["dora"]]) == {limited["dora"]: 5_000_000}


async def test_the_query_reads_only_the_accounts_that_are_asked_for(example, limited, store):
    query = {
        "find": "accounts",
        "filter": {"_id": {"$in": [limited["dora"]]}, "quota_bytes": {"$ne": None}},
    }
    plan = await store.db.command("explain", query, verbosity="executionStats")
    assert plan["executionStats"]["totalDocsExamined"] == 1
