"""Tenants, domains, accounts and aliases by command."""

import asyncio
import re

import pytest

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.identity import Identity
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.message.address import Address
from mailyard.store.client import Store


@pytest.fixture
def may_log_in(mongo_url, database):
    def ask(login: str, password: str) -> bool:
        async def answer() -> bool:
            store = Store(mongo_url, database)
            authenticator = Authenticator(store, Directory(store), Passwords(HashCost()))
            found = await authenticator.authenticate(login, password, client_ip="127.0.0.1", service="test")
            await store.close()
            return isinstance(found, Identity)

        return asyncio.run(answer())

    return ask


def test_what_is_added_is_listed(example):
    example("account", "add", "anna@example.org", "--generate", "--quota", "5G")
    example("alias", "add", "sales@example.org", "anna@example.org", "zoe@remote.net")
    assert example.json("tenant", "list") == [
        {
            "tenant": "acme",
            "kind": "customer",
            "parent": None,
            "name": "acme",
            "status": "active",
            "contact": None,
        }
    ]
    assert example.json("domain", "list") == [
        {
            "domain": "example.org",
            "unicode": "example.org",
            "tenant": "acme",
            "status": "active",
            "catch_all": None,
            "alias_of": None,
            "verification": None,
        }
    ]
    [account] = example.json("account", "list")
    assert re.fullmatch("[0-9a-f]{24}", account.pop("id"))
    assert account == {
        "account": "anna@example.org",
        "name": None,
        "tenant": "acme",
        "status": "active",
        "quota_bytes": 5 * 2**30,
        "main_password_off": None,
        "used_bytes": 0,
    }
    assert example.json("alias", "list") == [
        {"alias": "sales@example.org", "tenant": "acme", "targets": ["anna@example.org", "zoe@remote.net"]}
    ]


def test_a_table_shows_what_json_shows_and_cuts_nothing_off(example):
    long = [f"{letter * 60}@{'b' * 60}.{'c' * 60}.example" for letter in "xyz"]
    example("alias", "add", "sales@example.org", *long)
    lines = [line.split() for line in example("alias", "list").stdout.splitlines() if line.strip()]
    assert lines[0] == ["Alias", "Tenant", "Targets"]
    assert lines[2] == ["sales@example.org", "acme", f"{long[0]},", f"{long[1]},", long[2]]


def test_an_empty_list_says_so(mailyard):
    assert mailyard("tenant", "list").stdout == "(none)\n"
    assert mailyard.json("tenant", "list") == []


def test_lists_may_be_of_one_tenant(example):
    example("tenant", "add", "other", "--name", "Other Ltd.")
    example("domain", "add", "other.net", "--tenant", "other", "--catch-all", "all@remote.net")
    assert [each["domain"] for each in example.json("domain", "list")] == ["example.org", "other.net"]
    [domain] = example.json("domain", "list", "--tenant", "other")
    assert domain["catch_all"] == "all@remote.net"
    refused = example("account", "list", "--tenant", "nobody")
    assert (refused.exit_code, refused.stderr) == (1, "mailyard: there is no tenant nobody\n")


def test_a_generated_password_is_shown_once_and_works(example, may_log_in):
    [account] = example.json("account", "add", "anna@example.org", "--generate")
    assert len(account["password"]) == 20
    assert may_log_in("anna@example.org", account["password"])
    assert account["password"] not in example("account", "list", "--json").stdout


def test_a_password_comes_from_standard_input_or_a_file_without_its_line_end(example, may_log_in, tmp_path):
    shown = example("account", "add", "anna@example.org", "--password-stdin", given="correct horse\n")
    assert (shown.exit_code, "correct horse" in shown.output) == (0, False)
    assert may_log_in("anna@example.org", "correct horse")
    secret = tmp_path / "secret"
    secret.write_text("battery staple\r\n")
    assert example("account", "passwd", "anna@example.org", "--password-file", str(secret)).exit_code == 0
    assert may_log_in("anna@example.org", "battery staple")


def test_a_password_is_asked_for_twice_on_a_terminal(example, may_log_in, monkeypatch):
    monkeypatch.setattr("mailyard.cli.secret._on_terminal", lambda: True)
    asked = example("account", "add", "anna@example.org", given="correct horse\ncorrect horse\n")
    assert asked.exit_code == 0
    assert "correct horse" not in asked.output
    assert may_log_in("anna@example.org", "correct horse")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "no terminal for a prompt"),
        (("--generate", "--password-stdin"), "use only one of"),
        (("--quota", "much", "--generate"), "'much' is not a size"),
        (("--password", "secret"), "No such option"),
    ],
)
def test_wrong_options_are_wrong_usage(example, options, reason):
    refused = example("account", "add", "anna@example.org", *options)
    assert refused.exit_code == 2
    assert reason in refused.stderr


def test_a_password_file_that_cannot_be_read_is_named(example, tmp_path):
    refused = example("account", "add", "anna@example.org", "--password-file", str(tmp_path / "absent"))
    assert refused.exit_code == 78
    assert (
        f"cannot read the password: [Errno 2] No such file or directory: '{tmp_path}/absent'"
        in refused.stderr
    )


def test_a_new_account_has_its_mailboxes(example, mongo_url, database):
    example("account", "add", "anna@example.org", "--generate")

    async def names() -> list[str]:
        store = Store(mongo_url, database)
        account = await Directory(store).resolve(Address("anna", "example.org"))
        found = await Mailboxes(store).list(account.account.id)
        await store.close()
        return [mailbox.name for mailbox in found]

    assert {"INBOX", "Junk", "Sent"} <= set(asyncio.run(names()))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("tenant", "add", "acme"), "the tenant acme exists"),
        (("tenant", "add", "No Slug"), "'No Slug' is not a tenant name"),
        (("domain", "add", "example.org", "--tenant", "acme"), "the domain example.org is taken"),
        (("domain", "add", "localhost", "--tenant", "acme"), "'localhost' is not a domain name"),
        (("domain", "add", "a.example", "--tenant", "nobody"), "there is no tenant nobody"),
        (("account", "add", "anna@nowhere.net", "--generate"), "no tenant has a domain nowhere.net"),
        (("account", "add", "anna", "--generate"), "'anna' is not a mail address"),
        (("account", "passwd", "anna@example.org", "--generate"), "has no account anna@example.org"),
        (("alias", "add", "x@example.org", "y"), "'y' is not a mail address"),
        (
            ("alias", "add", "x@example.org", "y@b.c", "--tenant", "other"),
            "tenant other has no domain example.org",
        ),
    ],
)
def test_a_refusal_says_why_and_ends_with_status_1(example, arguments, reason):
    refused = example(*arguments)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("mailyard: ")
    assert reason in refused.stderr
    assert refused.stdout == ""
