"""Policies on a real MongoDB: written, looked up, cached, and in force everywhere within seconds."""

import asyncio

import pytest

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.directory import CacheLimits, Directory
from mailyard.directory.domains import COLLECTION as DOMAINS
from mailyard.directory.errors import Invalid, NotFound
from mailyard.directory.model import TenantKind
from mailyard.directory.policies import Policies
from mailyard.directory.policy import DomainPolicy, PolicyLevels
from mailyard.directory.policychange import PolicyChange
from mailyard.directory.provisioning import Provisioning
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store


@pytest.fixture
def change(store: Store, example: Provisioning) -> PolicyChange:
    return PolicyChange(store, example)


@pytest.fixture
def policies(store: Store, clock) -> Policies:
    return Policies(store, clock=clock)


async def test_what_is_changed_is_shown(change: PolicyChange) -> None:
    assert await change.of_tenant("acme") == {}
    assert await change.set_tenant("acme", {"account_quota": "5G"}) == {"account_quota": "5G"}
    assert await change.set_tenant("acme", {"relay_security": "encrypt"}) == {
        "account_quota": "5G",
        "relay_security": "encrypt",
    }
    assert await change.set_domain("acme", "Example.ORG", {"account_quota": "1G"}) == {"account_quota": "1G"}
    assert await change.of_domain("acme", "example.org") == PolicyLevels(
        {"account_quota": "1G"}, {"account_quota": "5G", "relay_security": "encrypt"}, {}
    )
    assert await change.set_tenant("acme", {"account_quota": "", "relay_security": ""}) == {}
    assert await change.of_tenant("acme") == {}
    assert await change.of_tenant("other") == {}


async def test_a_change_that_is_refused_changes_nothing(change: PolicyChange) -> None:
    await change.set_tenant("acme", {"account_quota": "5G"})
    with pytest.raises(Invalid, match="relay_security"):
        await change.set_tenant("acme", {"account_quota": "1G", "relay_security": "always"})
    assert await change.of_tenant("acme") == {"account_quota": "5G"}


async def test_a_policy_belongs_to_what_exists_in_its_tenant(change: PolicyChange) -> None:
    with pytest.raises(NotFound, match="no tenant nobody"):
        await change.set_tenant("nobody", {"account_quota": "5G"})
    with pytest.raises(NotFound, match=r"tenant other has no domain example\.org"):
        await change.set_domain("other", "example.org", {"account_quota": "5G"})
    with pytest.raises(NotFound):
        await change.of_tenant("nobody")
    with pytest.raises(NotFound):
        await change.of_domain("other", "example.org")


async def test_the_policy_in_force_is_the_domain_s_over_the_tenant_s(
    change: PolicyChange, policies: Policies
) -> None:
    await change.set_tenant("acme", {"account_quota": "5G", "relay_route": "smart.example"})
    await change.set_domain("acme", "example.org", {"account_quota": "1G"})
    expected = DomainPolicy(account_quota=2**30, relay_route="smart.example")
    assert await policies.of_domain("example.org") == expected
    assert await policies.of_domain("other.net") == DomainPolicy()
    assert await policies.of_domain("elsewhere.example") == DomainPolicy()


async def test_a_sender_has_the_policy_of_its_own_domain_and_forwarded_mail_that_of_the_tenant(
    change: PolicyChange, policies: Policies
) -> None:
    await change.set_tenant("acme", {"relay_route": "tenant.example"})
    await change.set_domain("acme", "example.org", {"relay_route": "domain.example"})
    await change.set_tenant("other", {"relay_route": "other.example"})
    routes = {
        (tenant, domain): (await policies.of_sender(tenant, domain)).relay_route
        for tenant, domain in [
            ("acme", "example.org"),
            ("acme", ""),
            ("acme", "elsewhere.example"),
            ("acme", "other.net"),
            ("other", "other.net"),
            ("", "example.org"),
            ("nobody", ""),
        ]
    }
    assert routes == {
        ("acme", "example.org"): "domain.example",
        ("acme", ""): "tenant.example",
        ("acme", "elsewhere.example"): "tenant.example",
        ("acme", "other.net"): "tenant.example",
        ("other", "other.net"): "other.example",
        ("", "example.org"): None,
        ("nobody", ""): None,
    }


async def test_a_policy_is_cached_and_a_change_is_in_force_when_the_cache_ends(
    change: PolicyChange, policies: Policies, clock
) -> None:
    assert policies.of_domain_cached("example.org") is None
    await policies.of_domain("example.org")
    await change.set_domain("acme", "example.org", {"account_quota": "1G"})
    assert policies.of_domain_cached("example.org") == DomainPolicy()
    clock.now += CacheLimits().positive_seconds
    assert policies.of_domain_cached("example.org") is None
    assert (await policies.of_domain("example.org")).account_quota == 2**30


async def test_a_change_is_in_force_at_the_next_poll_of_the_access_log_and_ends_no_session(
    store: Store, change: PolicyChange, clock
) -> None:
    directory = Directory(store, clock=clock)
    forgotten = 0

    def forget() -> None:
        nonlocal forgotten
        forgotten += 1
        directory.forget()

    watch = AccessWatch(store, forget, clock=clock)
    await watch.poll()
    assert forgotten == 0
    await directory.policies.of_domain("example.org")
    await change.set_tenant("acme", {"account_quota": "1G"})
    assert not await watch.poll()
    assert (forgotten, watch.revision) == (1, 0)
    assert (await directory.policies.of_domain("example.org")).account_quota == 2**30
    await watch.poll()
    assert forgotten == 1


async def test_many_look_ups_at_a_time_share_their_queries(
    store: Store, change: PolicyChange, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    domains = policies._domains._domains
    ask = domains.entry_by_names

    async def counted(names):
        batches.append(len(names))
        return await ask(names)

    monkeypatch.setattr(domains, "entry_by_names", counted)
    await asyncio.gather(*(policies.of_domain(f"d{number}.example") for number in range(50)))
    assert sum(batches) == 50
    assert len(batches) <= 3


async def test_a_policy_that_cannot_be_read_is_not_ignored(
    store: Store, change: PolicyChange, policies: Policies
) -> None:
    await store.collection(DOMAINS).update_one(
        {"_id": "example.org"}, {"$set": {"policy": {"relay_route": "http://x"}}}
    )
    with pytest.raises(Unavailable, match=r"policy of example\.org .* relay_route"):
        await policies.of_domain("example.org")
    with pytest.raises(Unavailable):
        await policies.of_sender("acme", "example.org")
    assert policies.of_domain_cached("example.org") is None
    assert await policies.of_domain("other.net") == DomainPolicy()


async def test_an_account_without_a_quota_gets_that_of_the_policy(
    example: Provisioning, change: PolicyChange
) -> None:
    await change.set_tenant("acme", {"account_quota": "1G"})
    account = await example.add_account("acme", "dora@example.org", "long enough")
    assert account.quota_bytes == 2**30
    own = await example.add_account("acme", "emil@example.org", "long enough", 1000)
    assert own.quota_bytes == 1000
    other = await example.add_account("other", "fred@other.net", "long enough")
    assert other.quota_bytes is None


async def test_a_customer_has_the_policy_of_its_reseller_where_it_has_none_of_its_own(
    example: Provisioning, change: PolicyChange, policies: Policies
) -> None:
    await example.add_tenant("seller", kind=TenantKind.RESELLER)
    await example.set_tenant("acme", parent="seller")
    await change.set_tenant("seller", {"account_quota": "1G", "relay_route": "seller.example"})
    await change.set_tenant("acme", {"account_quota": "5G"})
    expected = DomainPolicy(account_quota=5 * 2**30, relay_route="seller.example")
    assert await policies.of_domain("example.org") == expected
    assert await policies.of_sender("acme", "") == expected
    assert await policies.of_domain("other.net") == DomainPolicy()
    assert await change.levels_of_tenant("acme") == PolicyLevels(
        {}, {"account_quota": "5G"}, {"account_quota": "1G", "relay_route": "seller.example"}
    )


async def test_one_query_answers_for_an_address_and_for_the_policy_of_its_domain(
    store: Store, change: PolicyChange, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Directory(store, clock=clock)
    await directory.resolve(Address("anna", "example.org"))
    monkeypatch.setattr(directory._known_domains, "_ask", None)
    assert directory.policies.of_domain_cached("example.org") == DomainPolicy()
    assert await directory.policies.of_domain("example.org") == DomainPolicy()
