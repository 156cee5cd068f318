"""Limits of tenants and resellers on a real MongoDB: counted, divided, and kept by commands at the same time."""

import asyncio
from datetime import timedelta

import pytest

from mailyard.directory.errors import DirectoryError, InUse, Invalid, LimitReached, NotFound
from mailyard.directory.model import Tenant, TenantKind
from mailyard.directory.plan import Counts, Limits, Plan, Resource, Share
from mailyard.directory.pool import Correction
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.removal import Removal
from mailyard.directory.suspension import Suspension
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

PASSWORD = "long enough"
GIB = 2**30


@pytest.fixture
async def seller(example: Provisioning) -> Provisioning:
    """Reseller `seller` with 5 domains, 10 accounts and 100 GiB."""
    plan = Plan(Limits(domains=5, accounts=10, storage_bytes=100 * GIB, messages_per_day=1000))
    await example.add_tenant("seller", kind=TenantKind.RESELLER, plan=plan)
    return example


@pytest.fixture
def removal(store: Store, example: Provisioning) -> Removal:
    return Removal(store, example, Suspension(store, example, now_utc), now_utc)


def small(domains: int = 1, accounts: int = 2, gib: int = 10, messages: int = 100) -> Plan:
    return Plan(Limits(domains, accounts, gib * GIB, messages))


async def used(directory: Provisioning, tenant: str) -> Counts | None:
    counted = await directory.tenants.counted(tenant)
    assert counted is not None
    return counted.used


async def test_what_is_added_and_removed_is_counted(example: Provisioning, removal: Removal) -> None:
    assert await used(example, "acme") == Counts(1, 2, 0)
    await example.add_domain("acme", "example.net")
    await example.add_account("acme", "dora@example.net", PASSWORD, 3000)
    assert await used(example, "acme") == Counts(2, 3, 3000)
    await example.set_account("acme", "dora@example.net", quota_bytes=1000)
    assert await used(example, "acme") == Counts(2, 3, 1000)
    await removal.remove_account("acme", "dora@example.net", None)
    assert await used(example, "acme") == Counts(2, 2, 0)
    await removal.restore_account("acme", "dora@example.net")
    assert await used(example, "acme") == Counts(2, 3, 1000)
    await removal.remove_domain("acme", "example.net", timedelta(0), with_accounts=True)
    assert await used(example, "acme") == Counts(1, 2, 0)
    assert await used(example, "other") == Counts(1, 1, 0)


async def test_a_limit_refuses_what_would_exceed_it_and_nothing_is_written(example: Provisioning) -> None:
    await example.set_tenant("acme", limits={Resource.DOMAINS: 1, Resource.ACCOUNTS: 2})
    with pytest.raises(LimitReached, match="tenant acme has a limit of 1 domains, and would use 2"):
        await example.add_domain("acme", "example.net")
    assert await example.domains.get("acme", "example.net") is None
    with pytest.raises(LimitReached, match="limit of 2 accounts, and would use 3"):
        await example.add_account("acme", "dora@example.org", PASSWORD)
    await example.add_alias("acme", "dora@example.org", ["anna@example.org"])  # the address is free
    assert await used(example, "acme") == Counts(1, 2, 0)


async def test_a_limit_below_the_use_is_refused(example: Provisioning) -> None:
    with pytest.raises(LimitReached, match="limit of 1 accounts, and would use 2"):
        await example.set_tenant("acme", limits={Resource.ACCOUNTS: 1})
    assert (await example.require_tenant("acme")).plan == Plan()


async def test_with_a_limit_of_storage_each_account_has_a_quota_within_it(example: Provisioning) -> None:
    with pytest.raises(LimitReached, match=r"bytes of storage: the account \w+@example.org needs a quota"):
        await example.set_tenant("acme", limits={Resource.STORAGE: 1000})
    for name in ("anna", "bert"):
        await example.set_account("acme", f"{name}@example.org", quota_bytes=400)
    await example.set_tenant("acme", limits={Resource.STORAGE: 1000})
    with pytest.raises(LimitReached, match="every account of acme needs a quota"):
        await example.add_account("acme", "dora@example.org", PASSWORD)
    with pytest.raises(LimitReached, match="needs a quota"):
        await example.set_account("acme", "anna@example.org", quota_bytes=0)
    with pytest.raises(LimitReached, match="limit of 1000 bytes of storage, and would use 1001"):
        await example.set_account("acme", "anna@example.org", quota_bytes=601)
    await example.set_account("acme", "anna@example.org", quota_bytes=600)
    with pytest.raises(LimitReached):
        await example.add_account("acme", "dora@example.org", PASSWORD, 1)
    await example.set_account("acme", "anna@example.org", quota_bytes=100)
    await example.add_account("acme", "dora@example.org", PASSWORD, 500)


async def test_a_reseller_divides_its_limits_among_its_customers(seller: Provisioning) -> None:
    await seller.add_tenant("one", parent="seller", plan=small(domains=3))
    with pytest.raises(LimitReached, match="seller may promise 5 domains: its customers would have 6"):
        await seller.add_tenant("two", parent="seller", plan=small(domains=3))
    assert await seller.tenants.get("two") is None
    await seller.add_tenant("two", parent="seller", plan=small(domains=2))
    with pytest.raises(LimitReached, match="its customers would have 6"):
        await seller.set_tenant("two", limits={Resource.DOMAINS: 3})
    with pytest.raises(LimitReached, match="limit of 5 domains"):
        await seller.set_tenant("two", limits={Resource.DOMAINS: None})
    with pytest.raises(LimitReached, match="may promise 4 domains"):
        await seller.set_tenant("seller", limits={Resource.DOMAINS: 4})
    shares = {share.resource: share for share in await seller.pool.shares("seller")}
    assert shares[Resource.DOMAINS] == Share(Resource.DOMAINS, 5, 5, 0)
    assert shares[Resource.MESSAGES] == Share(Resource.MESSAGES, 1000, 200, None)


async def test_a_reseller_that_promises_too_much_is_limited_by_the_use(seller: Provisioning) -> None:
    await seller.set_tenant("seller", overpromise=True)
    for name in ("one", "two"):
        await seller.add_tenant(name, parent="seller", plan=small(domains=4, accounts=9, gib=80))
        await seller.add_domain(name, f"{name}.example")
    for number in range(3):
        await seller.add_domain("one", f"one-{number}.example")
    with pytest.raises(LimitReached, match="the tenant seller has a limit of 5 domains, and would use 6"):
        await seller.add_domain("two", "two-2.example")
    await seller.add_account("one", "a@one.example", PASSWORD, 80 * GIB)
    with pytest.raises(LimitReached, match=r"the tenant seller has a limit of .* bytes of storage"):
        await seller.add_account("two", "a@two.example", PASSWORD, 21 * GIB)
    assert await used(seller, "seller") == Counts(5, 1, 80 * GIB)
    with pytest.raises(LimitReached, match="its customers would have"):
        await seller.set_tenant("seller", overpromise=False)


async def test_accounts_of_a_customer_without_a_limit_need_a_quota_when_its_reseller_has_one(
    seller: Provisioning,
) -> None:
    await seller.set_tenant("seller", overpromise=True)
    await seller.add_tenant("one", parent="seller")
    await seller.add_domain("one", "one.example")
    with pytest.raises(LimitReached, match=r"the tenant seller has .* every account of one needs a quota"):
        await seller.add_account("one", "a@one.example", PASSWORD)


async def outcomes(tasks: list) -> list[str]:
    found = await asyncio.gather(*tasks, return_exceptions=True)
    others = [
        each for each in found if isinstance(each, BaseException) and not isinstance(each, DirectoryError)
    ]
    assert others == []
    return ["refused" if isinstance(each, LimitReached) else "done" for each in found]


async def test_commands_at_the_same_time_do_not_exceed_a_limit_together(example: Provisioning) -> None:
    await example.set_tenant("acme", limits={Resource.DOMAINS: 4, Resource.ACCOUNTS: 5})
    domains = [example.add_domain("acme", f"d{number}.example") for number in range(8)]
    assert (await outcomes(domains)).count("done") == 3
    accounts = [example.add_account("acme", f"a{number}@example.org", PASSWORD) for number in range(8)]
    assert (await outcomes(accounts)).count("done") == 3
    assert await used(example, "acme") == Counts(4, 5, 0)
    assert await example.pool.audit("acme") == []


async def test_customers_that_are_added_at_the_same_time_are_not_promised_too_much(
    seller: Provisioning,
) -> None:
    tasks = [
        seller.add_tenant(f"c{number}", parent="seller", plan=small(domains=2, accounts=1, gib=1))
        for number in range(6)
    ]
    assert (await outcomes(tasks)).count("done") == 2
    assert len(await seller.tenants.customers("seller")) == 2


async def test_a_limit_that_is_lowered_while_accounts_are_added_holds(example: Provisioning) -> None:
    lowered = example.set_tenant("acme", limits={Resource.ACCOUNTS: 4})
    added = [example.add_account("acme", f"a{number}@example.org", PASSWORD) for number in range(6)]
    await outcomes([lowered, *added])
    limit = (await example.require_tenant("acme")).plan.limits.accounts
    counts = await used(example, "acme")
    assert counts is not None
    assert limit is None or counts.accounts <= limit


async def test_an_audit_corrects_wrong_counts_of_a_customer_and_its_reseller(
    store: Store, seller: Provisioning
) -> None:
    await seller.add_tenant("one", parent="seller", plan=small())
    await seller.add_domain("one", "one.example")
    await seller.add_account("one", "a@one.example", PASSWORD, 1000)
    wrong = {"domains": 7, "accounts": 0, "storage_bytes": -5}
    await store.collection("tenants").update_many(
        {"_id": {"$in": ["one", "seller"]}}, {"$set": {"used": wrong}}
    )
    right = Counts(1, 1, 1000)
    assert await seller.pool.audit("seller") == [
        Correction("one", Counts(7, 0, -5), right),
        Correction("seller", Counts(7, 0, -5), right),
    ]
    assert await used(seller, "one") == await used(seller, "seller") == right
    assert await seller.pool.audit("one") == []
    with pytest.raises(NotFound):
        await seller.pool.audit("nobody")


async def test_an_audit_while_accounts_are_added_counts_right(example: Provisioning) -> None:
    adding = [example.add_account("acme", f"a{number}@example.org", PASSWORD, 10) for number in range(10)]
    audits = [example.pool.audit("acme") for _ in range(5)]
    await asyncio.gather(*adding, *audits)
    assert await used(example, "acme") == Counts(1, 12, 100)


async def test_a_tenant_of_an_earlier_version_is_counted_at_its_first_change(
    store: Store, example: Provisioning
) -> None:
    await example.set_account("acme", "anna@example.org", quota_bytes=500)
    rows = store.collection("tenants")
    await rows.update_one({"_id": "acme"}, {"$unset": {"used": "", "kind": "", "status": ""}})
    await example.add_account("acme", "dora@example.org", PASSWORD, 300)
    assert await used(example, "acme") == Counts(1, 3, 800)
    await rows.update_one({"_id": "acme"}, {"$unset": {"used": ""}})
    with pytest.raises(LimitReached, match="would use 3"):
        await example.set_tenant("acme", limits={Resource.ACCOUNTS: 2})


async def test_a_tenant_that_moves_takes_its_use_along(seller: Provisioning) -> None:
    plan = Plan(Limits(domains=1, accounts=2, storage_bytes=50, messages_per_day=1))
    await seller.add_tenant("tight", kind=TenantKind.RESELLER, plan=plan)
    await seller.set_account("acme", "anna@example.org", quota_bytes=10)
    await seller.set_account("acme", "bert@example.org", quota_bytes=20)
    with pytest.raises(LimitReached, match="reseller tight has a limit of 1 domains"):
        await seller.set_tenant("acme", parent="tight")
    await seller.set_tenant("acme", parent="tight", limits=dict(zip(Resource, [1, 2, 50, 1], strict=True)))
    assert await used(seller, "tight") == Counts(1, 2, 30)
    await seller.set_tenant("acme", parent="seller")
    assert await used(seller, "tight") == Counts()
    assert await used(seller, "seller") == Counts(1, 2, 30)
    moved = await seller.set_tenant("acme", parent="")
    assert moved.parent == ""
    assert await used(seller, "seller") == Counts()


async def test_what_is_no_reseller_has_no_customers(seller: Provisioning) -> None:
    for parent in ("acme", "nobody"):
        with pytest.raises(NotFound, match=f"no reseller {parent}"):
            await seller.add_tenant("one", parent=parent)
    with pytest.raises(Invalid, match="only customers belong to a reseller"):
        await seller.add_tenant("sub", kind=TenantKind.RESELLER, parent="seller")
    with pytest.raises(Invalid, match="only customers belong to a reseller"):
        await seller.set_tenant("seller", parent="seller")
    with pytest.raises(Invalid, match="seller is a reseller and owns no domains"):
        await seller.add_domain("seller", "seller.example")
    with pytest.raises(Invalid, match="only a reseller may promise more"):
        await seller.set_tenant("acme", overpromise=True)


async def test_a_reseller_with_customers_is_not_removed(seller: Provisioning, removal: Removal) -> None:
    await seller.add_tenant("one", parent="seller", plan=small())
    await seller.add_domain("one", "one.example")
    with pytest.raises(InUse, match="reseller seller has the customers one"):
        await removal.remove_tenant("seller", None, with_domains=True)
    await removal.remove_tenant("one", None, with_domains=True)
    assert await used(seller, "seller") == Counts()
    await removal.remove_tenant("seller", None, with_domains=False)
    assert await seller.tenants.get("seller") is None


async def test_a_tenant_keeps_what_its_plan_says(seller: Provisioning) -> None:
    plan = Plan(Limits(1, 2, 3 * GIB, 4), weight=7)
    added = await seller.add_tenant("one", "One", parent="seller", plan=plan, language="pt-BR")
    assert await seller.require_tenant("one") == added
    assert added == Tenant("one", "One", parent="seller", plan=plan, language="pt-BR")
    changed = await seller.set_tenant("one", weight=1, language="", limits={Resource.MESSAGES: 5})
    assert changed == Tenant("one", "One", parent="seller", plan=Plan(Limits(1, 2, 3 * GIB, 5)))
    with pytest.raises(Invalid, match="not a language tag"):
        await seller.set_tenant("one", language="portuguese (Brazil)")


async def test_removing_the_last_quota_of_an_account_twice_counts_once(example: Provisioning) -> None:
    await example.set_account("acme", "anna@example.org", quota_bytes=500)
    await asyncio.gather(*(example.set_account("acme", "anna@example.org", quota_bytes=0) for _ in range(4)))
    assert await used(example, "acme") == Counts(1, 2, 0)


async def test_changes_of_different_fields_at_the_same_time_are_all_kept(example: Provisioning) -> None:
    await asyncio.gather(
        example.set_tenant("acme", limits={Resource.DOMAINS: 5}),
        example.set_tenant("acme", limits={Resource.ACCOUNTS: 6}),
        example.set_tenant("acme", weight=7),
        example.set_tenant("acme", name="Acme", language="de"),
    )
    found = await example.require_tenant("acme")
    assert (found.plan, found.name, found.language) == (Plan(Limits(5, 6), 7), "Acme", "de")
