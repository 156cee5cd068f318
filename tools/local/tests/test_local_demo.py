import pytest

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.identity import Identity
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.local.access import DemoAccount
from mailyard.local.demo import ADDRESSES, ensure_demo
from mailyard.store.client import Store


@pytest.fixture
async def store(mongo_url, database):
    store = Store(mongo_url, database)
    await store.start()
    yield store
    await store.close()


async def logs_in(store: Store, account: DemoAccount) -> bool:
    passwords = Passwords(HashCost())
    who = Authenticator(store, Directory(store), passwords)
    answer = await who.authenticate(account.address, account.password, client_ip="127.0.0.1", service="imap")
    passwords.close()
    return isinstance(answer, Identity)


async def test_every_demo_account_can_log_in(store: Store):
    assert [await logs_in(store, account) for account in await ensure_demo(store, ())] == [True] * 4


async def test_a_second_start_keeps_the_accounts_of_the_first(store: Store):
    first = await ensure_demo(store, ())
    assert [account.address for account in first] == list(ADDRESSES)
    assert await ensure_demo(store, first) == first


async def test_accounts_whose_passwords_are_forgotten_get_new_ones(store: Store):
    first = await ensure_demo(store, ())
    second = await ensure_demo(store, first[:2])
    assert second[:2] == first[:2]
    assert [await logs_in(store, account) for account in (first[2], second[2])] == [False, True]


async def test_accounts_of_an_earlier_start_are_made_again_in_an_empty_store(store: Store):
    known = tuple(DemoAccount(address, f"{address}-password", "demo") for address in ADDRESSES)
    assert await ensure_demo(store, known) == known
