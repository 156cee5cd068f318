"""Alias domains on a real MongoDB: the addresses of one domain under a second name."""

import asyncio
from datetime import timedelta

import pytest

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import CacheLimits, Directory
from mailyard.directory.errors import AlreadyExists, InUse, Invalid
from mailyard.directory.identity import Identity
from mailyard.directory.model import Expansion, LocalAccount, Unknown
from mailyard.directory.passwords import Passwords
from mailyard.directory.policychange import PolicyChange
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.removal import Removal
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

PASSWORD = "long enough"


@pytest.fixture
async def aliased(example: Provisioning) -> Provisioning:
    """example.com and bücher.example are alias domains of example.org."""
    await example.add_domain("acme", "example.com", alias_of="example.org")
    await example.add_domain("acme", "bücher.example", alias_of="Example.ORG")
    return example


@pytest.fixture
def fresh(store: Store) -> Directory:
    return Directory(store, CacheLimits(positive_seconds=0, negative_seconds=0))


@pytest.fixture
def removal(store: Store, example: Provisioning) -> Removal:
    return Removal(store, example, Suspension(store, example, now_utc), now_utc)


async def reached(directory: Directory, text: str) -> list[str]:
    ends = await directory.expand(Address.parse(text))
    accounts = [each.resolution for each in ends]
    return [
        str(account.address if isinstance(account, LocalAccount) else end.address)
        for end, account in zip(ends, accounts, strict=True)
    ]


@pytest.mark.parametrize(
    "text", ["anna@example.com", "ANNA@EXAMPLE.COM", "anna+x@example.com", "anna@bücher.example"]
)
async def test_every_address_answers_under_the_alias_domain(aliased, fresh, text: str) -> None:
    found = await fresh.resolve(Address.parse(text))
    assert isinstance(found, LocalAccount)
    assert str(found.address) == "anna@example.org"
    await aliased.add_account("acme", "dora@example.org", PASSWORD)
    assert await reached(fresh, "dora@example.com") == ["dora@example.org"]


async def test_an_alias_under_an_alias_domain_is_expanded(aliased, fresh) -> None:
    await aliased.add_alias("acme", "all@example.org", ["anna@example.org", "bert@example.com"])
    assert isinstance(await fresh.resolve(Address("all", "example.com")), Expansion)
    assert await reached(fresh, "all@example.com") == ["anna@example.org", "bert@example.org"]
    assert isinstance(await fresh.resolve(Address("nobody", "example.com")), Unknown)


async def test_a_batch_of_addresses_costs_two_queries_with_alias_domains_too(
    aliased, fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    domains, addresses = fresh._known_domains._domains, fresh._addresses
    for owner, name in ((domains, "entry_by_names"), (addresses, "entry_by_keys")):
        method = getattr(owner, name)

        async def counted(keys, method=method, name=name):
            asked.append(name)
            return await method(keys)

        monkeypatch.setattr(owner, name, counted)
    texts = ["anna@example.com", "bert@example.org", "x@bücher.example", "carl@other.net"]
    await fresh.resolve_many([Address.parse(text) for text in texts])
    assert asked == ["entry_by_names", "entry_by_keys"]


async def test_there_are_no_chains_and_no_loops(aliased: Provisioning) -> None:
    for target in ("example.com", "other.net", "nowhere.example", "new.example"):
        with pytest.raises(Invalid, match=f"cannot be an alias of {target}"):
            await aliased.add_domain("acme", "new.example", alias_of=target)
    with pytest.raises(AlreadyExists):
        await aliased.add_domain("acme", "example.org", alias_of="example.com".replace("com", "org"))


async def test_an_alias_domain_has_no_addresses_and_no_catch_all_of_its_own(aliased: Provisioning) -> None:
    words = "example.com is an alias domain: its addresses are those of example.org"
    with pytest.raises(Invalid, match=words):
        await aliased.add_account("acme", "dora@example.com", PASSWORD)
    with pytest.raises(Invalid, match=words):
        await aliased.add_alias("acme", "dora@example.com", ["anna@example.org"])
    with pytest.raises(Invalid, match=words):
        await aliased.set_catch_all("acme", "example.com", "anna@example.org")
    with pytest.raises(Invalid, match="is an alias domain"):
        await aliased.add_domain("acme", "third.example", "anna@example.org", alias_of="example.org")


async def test_a_loop_through_an_alias_domain_is_refused(aliased: Provisioning) -> None:
    with pytest.raises(Invalid, match="alias loop"):
        await aliased.add_alias("acme", "sales@example.org", ["sales@example.com"])
    await aliased.add_alias("acme", "a@example.org", ["anna@example.org"])
    await aliased.add_alias("acme", "b@example.org", ["a@example.com"])
    with pytest.raises(Invalid, match="alias loop"):
        await aliased.set_targets("acme", "a@example.org", ["b@example.com"])
    with pytest.raises(Invalid, match="alias loop"):
        await aliased.set_catch_all("acme", "example.org", "whoever@example.com")


async def test_the_catch_all_of_the_other_domain_catches(aliased, fresh) -> None:
    await aliased.set_catch_all("acme", "example.org", "bert@example.com")
    assert await reached(fresh, "whoever@example.com") == ["bert@example.org"]


async def test_an_account_that_is_a_target_under_the_alias_domain_is_in_use(aliased, removal) -> None:
    await aliased.add_alias("acme", "sales@example.org", ["bert@example.com"])
    with pytest.raises(InUse, match=r"alias sales@example\.org"):
        await removal.remove_account("acme", "bert@example.org", None)


@pytest.mark.parametrize("role", ["postmaster", "abuse"])
async def test_the_roles_of_an_alias_domain_lead_where_those_of_the_other_domain_lead(
    aliased, fresh, role: str
) -> None:
    assert await reached(fresh, f"{role}@example.com") == ["anna@example.org"]
    await aliased.set_tenant("acme", contact="boss@elsewhere.test")
    assert await reached(fresh, f"{role}@example.com") == ["boss@elsewhere.test"]
    await aliased.add_alias("acme", f"{role}@example.org", ["bert@example.org"])
    assert await reached(fresh, f"{role}@example.com") == ["bert@example.org"]


async def test_an_account_may_send_under_the_alias_domain(
    aliased, store: Store, fresh, passwords: Passwords
) -> None:
    logins = Authenticator(store, fresh, passwords)
    account = await aliased.require_account("acme", Address("anna", "example.org"))
    anna = Identity(str(account.id), "acme", account.address)
    assert await logins.may_send_as(anna, Address("anna", "example.com"))
    assert not await logins.may_send_as(anna, Address("bert", "example.com"))


async def test_a_domain_with_alias_domains_is_removed_after_them(aliased, removal) -> None:
    with pytest.raises(InUse, match=r"has alias domains: remove example\.com, xn--bcher-kva\.example first"):
        await removal.remove_domain("acme", "example.org", None, with_accounts=True)
    await removal.remove_domain("acme", "example.com", None, with_accounts=False)
    await removal.remove_tenant("acme", timedelta(0), with_domains=True)
    assert await aliased.domains.list("acme") == []


async def test_a_domain_that_is_removed_while_it_gets_an_alias_domain_leaves_no_orphan(
    example: Provisioning, removal
) -> None:
    await example.add_domain("acme", "two.example")
    await asyncio.gather(
        removal.remove_domain("acme", "two.example", timedelta(0), with_accounts=True),
        example.add_domain("acme", "three.example", alias_of="two.example"),
        return_exceptions=True,
    )
    left = {domain.name: domain.alias_of for domain in await example.domains.list("acme")}
    assert "three.example" not in left or "two.example" in left


@pytest.mark.parametrize(
    ("separator", "found"),
    [("-", ["anna-x"]), ("off", []), ("", ["anna+x"]), ("+", ["anna+x"]), ("_", ["anna_x"])],
)
async def test_the_separator_of_plus_addressing_is_a_policy_of_the_domain(
    aliased, store: Store, fresh, separator: str, found: list[str]
) -> None:
    await PolicyChange(store, aliased).set_domain("acme", "example.org", {"detail_separator": separator})
    locals_ = ["anna+x", "anna-x", "anna_x"]
    for domain in ("example.org", "example.com"):
        resolutions = [await fresh.resolve(Address(local, domain)) for local in locals_]
        known = zip(locals_, resolutions, strict=True)
        assert [local for local, each in known if isinstance(each, LocalAccount)] == found


async def test_an_address_with_the_separator_is_not_given_away_where_mail_for_it_has_an_owner(
    example: Provisioning, store: Store
) -> None:
    change = PolicyChange(store, example)
    with pytest.raises(Invalid, match="plus sign"):
        await example.add_account("acme", "new+x@example.org", PASSWORD)
    await change.set_domain("acme", "example.org", {"detail_separator": "-"})
    await example.add_account("acme", "mary-jane@example.org", PASSWORD)
    await example.add_account("acme", "new+x@example.org", PASSWORD)
    with pytest.raises(Invalid, match=r"mail for anna-shop@example\.org is that of anna@example\.org"):
        await example.add_account("acme", "anna-shop@example.org", PASSWORD)


@pytest.mark.parametrize("text", ["++", "a", ".", "@", " ", "ö", "on"])
async def test_what_is_no_separator_is_refused(example, store: Store, text: str) -> None:
    with pytest.raises(Invalid, match="detail_separator"):
        await PolicyChange(store, example).set_tenant("acme", {"detail_separator": text})
