"""Grants to send as an address of the tenant, or on behalf of it."""

import pytest
from pymongo.monitoring import CommandListener

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.errors import Invalid, NotFound
from mailyard.directory.grantchange import GrantChange
from mailyard.directory.grants import COLLECTION, GrantKind
from mailyard.directory.identity import Identity
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.removal import Removal
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.store import client
from mailyard.store.client import Store

ANNA, BERT, SALES = "anna@example.org", "bert@example.org", "sales@example.org"


@pytest.fixture
async def change(store, example) -> GrantChange:
    await example.add_alias("acme", SALES, [BERT])
    return GrantChange(store, example, now_utc)


@pytest.fixture
def authenticator(store, directory, passwords, clock) -> Authenticator:
    return Authenticator(store, directory, passwords, clock=clock)


@pytest.fixture
async def anna(example) -> Identity:
    account = await example.require_account("acme", Address.parse(ANNA))
    return Identity(str(account.id), "acme", account.address)


async def right(authenticator: Authenticator, identity: Identity, address: str) -> GrantKind | None:
    return await authenticator.send_right(identity, Address.parse(address))


async def test_an_account_sends_as_itself_and_by_grants_and_as_nobody_else(change, authenticator, anna):
    await change.add("acme", ANNA, "Bert@example.org", GrantKind.SEND_AS)
    await change.add("acme", ANNA, SALES, GrantKind.SEND_ON_BEHALF)
    assert await right(authenticator, anna, ANNA) is GrantKind.SEND_AS
    assert await right(authenticator, anna, "BERT@EXAMPLE.ORG") is GrantKind.SEND_AS
    assert await right(authenticator, anna, SALES) is GrantKind.SEND_ON_BEHALF
    for address in ("carl@other.net", "nobody@example.org", "x@elsewhere.test", "bert+x@example.org"):
        assert await right(authenticator, anna, address) is None, address


async def test_a_grant_is_for_one_account(change, authenticator, example):
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    await example.add_account("acme", "dora@example.org", "correct horse")
    dora = await example.require_account("acme", Address.parse("dora@example.org"))
    assert await right(authenticator, Identity(str(dora.id), "acme", dora.address), SALES) is None


async def test_a_second_grant_for_an_address_replaces_the_first(change):
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    await change.add("acme", ANNA, SALES, GrantKind.SEND_ON_BEHALF)
    assert [(str(each.address), each.kind) for each in await change.list("acme", ANNA)] == [
        (SALES, GrantKind.SEND_ON_BEHALF)
    ]


async def test_a_removed_grant_is_over_within_seconds(change, authenticator, anna, clock):
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    assert await right(authenticator, anna, SALES) is GrantKind.SEND_AS
    removed = await change.remove("acme", ANNA, SALES)
    assert removed.kind is GrantKind.SEND_AS
    clock.now += 10
    assert await right(authenticator, anna, SALES) is None
    with pytest.raises(NotFound, match=r"no grant for sales@example\.org"):
        await change.remove("acme", ANNA, SALES)


@pytest.mark.parametrize(
    ("names", "error", "reason"),
    [
        (("acme", ANNA, ANNA), Invalid, r"own address"),
        (("acme", ANNA, "bert+x@example.org"), Invalid, r"plus sign"),
        (("acme", ANNA, "nobody@example.org"), NotFound, r"no address nobody@example.org"),
        (("acme", ANNA, "carl@other.net"), NotFound, r"no domain other.net"),
        (("acme", ANNA, "x@elsewhere.test"), NotFound, r"no domain elsewhere.test"),
        (("acme", "carl@other.net", BERT), NotFound, r"no account carl@other.net"),
        (("other", ANNA, "carl@other.net"), NotFound, r"no account anna@example.org"),
    ],
)
async def test_grants_stay_within_a_tenant(change, names, error, reason):
    with pytest.raises(error, match=reason):
        await change.add(*names, GrantKind.SEND_AS)


async def test_the_next_owner_of_an_address_has_granted_nothing(change, authenticator, anna, store, example):
    removal = Removal(store, example, Suspension(store, example, now_utc), now_utc)
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    await removal.remove_alias("acme", SALES)
    await change.add("acme", ANNA, BERT, GrantKind.SEND_AS)
    await removal.remove_account("acme", BERT, None)
    await example.add_account("acme", BERT, "another bert")
    await example.add_alias("acme", SALES, [BERT])
    assert await right(authenticator, anna, BERT) is None
    assert await right(authenticator, anna, SALES) is None
    assert await store.collection(COLLECTION).count_documents({}) == 0


async def test_a_grant_ends_where_the_domain_has_gone_to_another_tenant(change, authenticator, anna, store):
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    await store.collection("domains").update_one({"_id": "example.org"}, {"$set": {"tenant": "other"}})
    assert await right(authenticator, anna, SALES) is None


async def test_grants_of_an_account_are_few(change, monkeypatch):
    monkeypatch.setattr("mailyard.directory.grantchange.MAX_GRANTS", 1)
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    await change.add("acme", ANNA, SALES, GrantKind.SEND_ON_BEHALF)
    with pytest.raises(Invalid, match="at most 1 grants"):
        await change.add("acme", ANNA, BERT, GrantKind.SEND_AS)


class Finds(CommandListener):
    def __init__(self) -> None:
        self.of: list[str] = []

    def started(self, event) -> None:
        self.of.append(event.command.get(event.command_name))

    def succeeded(self, event) -> None:
        pass

    def failed(self, event) -> None:
        pass


async def test_many_messages_cost_one_query_for_grants(change, anna, mongo_url, database, monkeypatch):
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    finds = Finds()
    monkeypatch.setattr(client, "LISTENERS", [finds])
    store = Store(mongo_url, database)
    authenticator = Authenticator(store, Directory(store), Passwords(HashCost(time=1, memory_kib=8)))
    for _ in range(10):
        assert await right(authenticator, anna, SALES) is GrantKind.SEND_AS
    await store.close()
    assert finds.of.count(COLLECTION) == 1


async def test_the_grants_of_an_account_are_found_by_an_index(change, store):
    await change.add("acme", ANNA, SALES, GrantKind.SEND_AS)
    [grant] = await change.list("acme", ANNA)
    query = {"tenant": "acme", "account": grant.account}
    plan = await store.collection(COLLECTION).find(query).sort("address").explain()
    assert plan["queryPlanner"]["winningPlan"]["inputStage"]["indexName"] == "account"
