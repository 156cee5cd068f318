"""Lookups with the cache in front, over a real MongoDB whose commands are counted."""

import asyncio
import timeit

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from mailyard.directory.directory import CacheLimits, Directory
from mailyard.directory.model import AccountStatus, Domain, Expansion, LocalAccount, Remote, Unknown
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store

ANNA = Address("anna", "example.org")
FAR = Address("zoe", "remote.net")
NOBODY = Address("nobody", "example.org")


class Counter(CommandListener):
    def __init__(self) -> None:
        self.commands: list[str] = []

    def started(self, event) -> None:
        self.commands.append(event.command_name)

    def succeeded(self, event) -> None: ...
    def failed(self, event) -> None: ...


@pytest.fixture
async def counted(example, mongo_url, database, clock):
    counter = Counter()
    store = Store(mongo_url, database)
    store._client = AsyncMongoClient(mongo_url, tz_aware=True, event_listeners=[counter])
    yield (
        Directory(store, CacheLimits(positive_seconds=10, negative_seconds=5), clock=clock),
        counter.commands,
    )
    await store.close()


async def test_each_kind_of_address_is_resolved(example, directory):
    alias = await example.add_alias("acme", "sales@example.org", ["anna@example.org", "zoe@remote.net"])
    account = await example.accounts.get("acme", ANNA)
    found = await directory.resolve_many(
        [Address("Anna+x", "example.org"), alias.address, NOBODY, FAR, Address("carl", "other.net")]
    )
    assert found[0] == LocalAccount(account, "acme", ANNA, "x")
    assert found[1] == Expansion((ANNA, FAR), "acme")
    assert found[2] == Unknown("no such address here")
    assert found[3] == Remote("remote.net")
    assert isinstance(found[4], LocalAccount)
    assert found[4].tenant == "other"


async def test_domains_are_known_or_known_to_be_foreign(example, directory):
    assert directory.domain_cached("example.org") is None
    assert await directory.domain("example.org") == Domain("example.org", "acme")
    assert await directory.domain("remote.net") is None
    assert directory.domain_cached("example.org") == Domain("example.org", "acme")
    assert directory.domain_cached("remote.net") == Remote("remote.net")


async def test_any_number_of_addresses_costs_two_commands_and_then_none(counted):
    directory, commands = counted
    addresses = [ANNA, FAR, NOBODY, *(Address(f"u{n}", "example.org") for n in range(300))]
    commands.clear()
    first = await directory.resolve_many(addresses)
    assert commands == ["aggregate", "aggregate"]
    assert await directory.resolve_many(addresses) == first
    assert [directory.resolve_cached(address) for address in addresses] == first
    assert await directory.resolve(ANNA) == first[0]
    assert len(commands) == 2


async def test_those_who_ask_at_the_same_time_share_a_query(counted):
    directory, commands = counted
    await directory.domain("example.org")
    await asyncio.gather(*(directory.resolve(Address(f"u{n}", "example.org")) for n in range(200)))
    assert commands.count("aggregate") <= 2


async def test_an_answer_is_used_for_its_time_and_not_longer(counted, clock):
    directory, commands = counted
    await directory.resolve_many([ANNA, NOBODY, FAR])
    clock.now += 5
    assert isinstance(directory.resolve_cached(ANNA), LocalAccount)
    assert (directory.resolve_cached(NOBODY), directory.resolve_cached(FAR)) == (None, None)
    clock.now += 5
    assert directory.resolve_cached(ANNA) is None
    await directory.resolve(ANNA)
    assert commands == ["aggregate", "aggregate"] * 2


async def test_a_new_account_is_seen_after_the_negative_time(example, directory, clock):
    assert isinstance(await directory.resolve(NOBODY), Unknown)
    await example.add_account("acme", "nobody@example.org", "long enough")
    assert isinstance(await directory.resolve(NOBODY), Unknown)
    clock.now += 5
    assert isinstance(await directory.resolve(NOBODY), LocalAccount)


async def test_the_cache_keeps_to_its_limit(store, example, clock):
    directory = Directory(store, CacheLimits(entries=50), clock=clock)
    await directory.resolve_many([Address(f"u{n}", "example.org") for n in range(200)])
    cached = [directory.resolve_cached(Address(f"u{n}", "example.org")) for n in range(200)]
    assert sum(each is not None for each in cached) == 50


async def test_a_disabled_account_is_unknown_with_status_5_2_1(example, store, directory):
    await store.collection("accounts").update_one(
        {"key": "anna@example.org"}, {"$set": {"status": AccountStatus.DISABLED}}
    )
    assert await directory.resolve(ANNA) == Unknown("the mailbox is disabled", "5.2.1")


async def test_an_address_row_never_leads_to_another_tenants_account(example, store, directory):
    carl = await store.collection("accounts").find_one({"key": "carl@other.net"})
    await store.collection("addresses").update_one(
        {"_id": "anna@example.org"}, {"$set": {"account": carl["_id"]}}
    )
    assert await directory.resolve(ANNA) == Unknown("no such address here")


async def test_an_expansion_goes_to_the_end_over_catch_all_and_aliases(example, directory):
    await example.add_alias("acme", "ops@example.org", ["bert@example.org", "anna+ops@example.org"])
    await example.add_alias(
        "acme", "team@example.org", ["anna@example.org", "ops@example.org", "zoe@remote.net"]
    )
    await example.add_domain("acme", "all.example", catch_all="team@example.org")
    ends = await directory.expand(Address("whoever", "all.example"))
    assert [str(end.address) for end in ends] == ["anna@example.org", "zoe@remote.net", "bert@example.org"]


async def test_many_expansions_cost_two_commands_for_each_depth(counted, example):
    directory, commands = counted
    for n in range(20):
        await example.add_alias("acme", f"list{n}@example.org", ["anna@example.org", f"u{n}@remote.net"])
    ends = await directory.expand_many([Address(f"list{n}", "example.org") for n in range(20)])
    assert [len(each) for each in ends] == [2] * 20
    assert commands == ["aggregate", "aggregate"] * 2


async def test_a_store_that_is_away_is_unavailable_to_everyone_who_asks(clock):
    store = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=200)
    directory = Directory(store, clock=clock)
    answers = await asyncio.gather(
        directory.resolve(ANNA), directory.resolve(FAR), directory.domain("x.org"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    await store.close()


async def test_a_cached_answer_costs_at_most_three_microseconds(store, example):
    directory = Directory(store, CacheLimits(positive_seconds=3600))
    await directory.resolve(ANNA)
    seconds = min(timeit.repeat(lambda: directory.resolve_cached(ANNA), number=2000, repeat=20)) / 2000
    assert seconds <= 3e-6
