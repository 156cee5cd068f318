"""App passwords and imported password hashes by command."""

import asyncio

import pytest

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.identity import Identity
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.store.client import Store

ANNA = "anna@example.org"
HASH = "{SSHA}NSZEu/ZzEMKdBO5ESNEYml3qKRYBAgMEBQYHCA=="  # of "correct horse"


@pytest.fixture
def opens(mongo_url, database):
    def ask(password: str, service: str = "imap") -> bool:
        async def answer() -> bool:
            store = Store(mongo_url, database)
            authenticator = Authenticator(store, Directory(store), Passwords(HashCost(1, 8)))
            found = await authenticator.authenticate(ANNA, password, client_ip="127.0.0.1", service=service)
            await authenticator.app_passwords.write_uses()
            await store.close()
            return isinstance(found, Identity)

        return asyncio.run(answer())

    return ask


@pytest.fixture
def anna(example):
    assert example("account", "add", ANNA, "--password-stdin", given="correct horse\n").exit_code == 0
    return example


def test_an_app_password_is_printed_once_and_listed_with_its_last_use(anna, opens):
    [added] = anna.json(
        *("app-password", "add", ANNA, "phone", "--scope", "imap", "--network", "127.0.0.0/8"),
        *("--expires-days", "30"),
    )
    assert opens(added["password"])
    assert not opens(added["password"], "smtp-in")
    [listed] = anna.json("app-password", "list", ANNA)
    assert "password" not in listed
    assert (listed["name"], listed["scopes"], listed["networks"]) == ("phone", ["imap"], ["127.0.0.0/8"])
    assert listed["last_address"] == "127.0.0.1"
    assert listed["last_used_at"] > listed["created_at"]
    assert listed["expires_at"] > listed["last_used_at"]


def test_without_scopes_an_app_password_opens_all_protocols(anna, opens):
    [added] = anna.json("app-password", "add", ANNA, "phone")
    assert added["scopes"] == ["imap", "pop3", "smtp"]
    assert opens(added["password"], "smtp-in")


def test_a_removed_app_password_opens_nothing(anna, opens):
    [added] = anna.json("app-password", "add", ANNA, "phone")
    refused = anna("app-password", "remove", ANNA, "phone")
    assert refused.exit_code == 1
    assert "repeat with --yes" in refused.stderr
    anna.json("app-password", "remove", ANNA, "phone", "--yes")
    assert anna.json("app-password", "list", ANNA) == []
    assert not opens(added["password"])
    assert anna("app-password", "remove", ANNA, "phone", "--yes").exit_code == 1


def test_a_main_password_is_set_off_and_on(anna, opens):
    [account] = anna.json(
        "account", "set", ANNA, "--main-password-off", "imap", "--main-password-off", "smtp"
    )
    assert account["main_password_off"] == ["imap", "smtp"]
    assert not opens("correct horse")
    [account] = anna.json("account", "set", ANNA, "--main-password-on")
    assert account["main_password_off"] is None
    assert opens("correct horse")
    both = anna("account", "set", ANNA, "--main-password-on", "--main-password-off", "imap")
    assert both.exit_code == 2


def test_a_change_of_the_name_leaves_the_main_password_as_it_is(anna):
    anna.json("account", "set", ANNA, "--main-password-off", "imap")
    [account] = anna.json("account", "set", ANNA, "--name", "Anna")
    assert account["main_password_off"] == ["imap"]


def test_an_account_is_added_with_the_hash_of_another_system(example, opens):
    assert example("account", "add", ANNA, "--password-hash-stdin", given=HASH + "\n").exit_code == 0
    assert not opens("wrong")
    assert opens("correct horse")


def test_a_password_is_replaced_by_a_hash(anna, opens):
    assert anna("account", "passwd", ANNA, "--password-hash-stdin", given=HASH).exit_code == 0
    assert opens("correct horse")


@pytest.mark.parametrize("hashed", ["", "{PLAIN}secret text", "$6$rounds=2000000$salt$" + "a" * 86])
def test_a_hash_that_cannot_be_used_adds_nothing(example, hashed):
    result = example("account", "add", ANNA, "--password-hash-stdin", given=hashed)
    assert result.exit_code == 1
    assert "password hash" in result.stderr
    assert "secret text" not in result.stderr
    assert example.json("account", "list") == []


def test_one_source_of_the_password_is_enough(example):
    result = example("account", "add", ANNA, "--password-hash-stdin", "--generate", given=HASH)
    assert result.exit_code == 2
