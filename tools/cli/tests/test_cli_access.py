"""Suspending, resuming, changing and removing by command."""

import asyncio

import pytest

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.identity import Identity, Refusal
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.store.client import Store

ANNA = "anna@example.org"
PASSWORD = "correct horse"


@pytest.fixture
def anna(example):
    for address, password in ((ANNA, PASSWORD), ("bert@example.org", "battery staple")):
        added = example("account", "add", address, "--password-stdin", given=password)
        assert added.exit_code == 0, added.stderr
    return example


@pytest.fixture
def answer_of(mongo_url, database):
    """What a login gets: `in`, or the reason of the refusal."""

    def ask(login: str = ANNA, password: str = PASSWORD) -> str:
        async def answer() -> Identity | Refusal:
            store = Store(mongo_url, database)
            authenticator = Authenticator(store, Directory(store), Passwords(HashCost()))
            found = await authenticator.authenticate(login, password, client_ip="127.0.0.1", service="test")
            await store.close()
            return found

        found = asyncio.run(answer())
        return found.reason.value if isinstance(found, Refusal) else "in"

    return ask


@pytest.mark.parametrize("words", [("account", ANNA), ("domain", "example.org"), ("tenant", "acme")])
def test_suspend_takes_access_away_and_resume_gives_it_back(anna, answer_of, words):
    noun, name = words
    [record] = anna.json(noun, "suspend", name)
    assert (record[noun], record["status"]) == (name, "suspended")
    assert anna.json(noun, "list")[0]["status"] == "suspended"
    assert answer_of() == "account-disabled"
    [record] = anna.json(noun, "resume", name)
    assert record["status"] == "active"
    assert answer_of() == "in"


def test_an_account_may_refuse_mail_too(anna):
    assert anna.json("account", "suspend", ANNA, "--refuse-mail")[0]["status"] == "disabled"
    assert [each["account"] for each in anna.json("account", "list", "--status", "disabled")] == [ANNA]
    assert [each["account"] for each in anna.json("account", "list", "--domain", "EXAMPLE.org")] == [
        ANNA,
        "bert@example.org",
    ]


def test_quota_and_name_are_set_and_taken_away(anna):
    [record] = anna.json("account", "set", ANNA, "--quota", "2G", "--name", "Anna Meyer")
    assert (record["quota_bytes"], record["name"]) == (2 * 2**30, "Anna Meyer")
    [record] = anna.json("account", "set", ANNA, "--no-quota")
    assert (record["quota_bytes"], record["name"]) == (None, "Anna Meyer")
    assert anna.json("account", "set", ANNA, "--name", "")[0]["name"] is None


def test_catch_all_and_contact_are_set_and_taken_away(anna):
    assert anna.json("domain", "set", "example.org", "--catch-all", ANNA)[0]["catch_all"] == ANNA
    assert anna.json("domain", "set", "example.org", "--no-catch-all")[0]["catch_all"] is None
    [record] = anna.json("tenant", "set", "acme", "--contact", ANNA, "--name", "Acme Ltd.")
    assert (record["contact"], record["name"]) == (ANNA, "Acme Ltd.")
    assert anna.json("tenant", "set", "acme", "--no-contact")[0]["contact"] is None


def test_targets_of_an_alias_are_added_set_and_removed(anna):
    anna("alias", "add", "team@example.org", ANNA)
    assert anna.json("alias", "add-target", "team@example.org", "bert@example.org", "x@far.test")[0][
        "targets"
    ] == [ANNA, "bert@example.org", "x@far.test"]
    assert anna.json("alias", "remove-target", "team@example.org", ANNA)[0]["targets"] == [
        "bert@example.org",
        "x@far.test",
    ]
    assert anna.json("alias", "set", "team@example.org", ANNA)[0]["targets"] == [ANNA]
    assert anna.json("alias", "remove", "team@example.org", "--yes")[0]["alias"] == "team@example.org"
    assert anna.json("alias", "list") == []


def test_a_target_in_another_tenant_is_reported(anna):
    anna("tenant", "add", "other")
    anna("domain", "add", "other.net", "--tenant", "other")
    anna("account", "add", "carl@other.net", "--generate")
    added = anna("alias", "add", "team@example.org", "carl@other.net")
    assert (added.exit_code, added.stderr) == (
        0,
        "mailyard: note: carl@other.net belongs to tenant other\n",
    )


def test_an_account_is_removed_listed_and_restored(anna, answer_of):
    refused = anna("account", "remove", ANNA)
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"mailyard: the account {ANNA} would be removed and its mail deleted in 30 days: repeat with --yes\n",
    )
    assert anna.json("account", "remove", ANNA, "--yes")[0]["status"] == "removed"
    assert answer_of() == "bad-credentials"
    assert [each["account"] for each in anna.json("account", "list", "--removed")] == [ANNA]
    assert [each["account"] for each in anna.json("account", "list")] == ["bert@example.org"]
    assert anna.json("account", "restore", ANNA)[0]["account"] == ANNA
    assert answer_of() == "in"


def test_domain_and_tenant_are_removed_with_what_they_have(anna):
    for words, reason in [
        (("domain", "remove", "example.org", "--yes"), "--with-accounts"),
        (("domain", "remove", "example.org", "--with-accounts"), "repeat with --yes"),
        (("tenant", "remove", "acme", "--yes"), "--with-domains"),
        (("tenant", "remove", "acme", "--with-domains"), "repeat with --yes"),
    ]:
        refused = anna(*words)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert reason in refused.stderr
    assert anna.json("domain", "remove", "example.org", "--with-accounts", "--yes")[0]["status"] == "removed"
    assert anna.json("account", "list") == []
    assert anna.json("tenant", "remove", "acme", "--with-domains", "--yes")[0]["status"] == "removed"
    assert anna.json("tenant", "list") == []


def test_domain_add_says_who_receives_mail_for_postmaster(anna):
    shown = anna("domain", "add", "second.example", "--tenant", "acme").stdout
    assert (
        f"postmaster@second.example and abuse@second.example: received by {ANNA};"
        " change it with mailyard tenant set acme --contact" in shown
    )
    anna("tenant", "add", "empty")
    shown = anna("domain", "add", "third.example", "--tenant", "empty").stdout
    assert "received by the first account that is added" in shown


def test_an_international_domain_is_shown_in_both_forms(anna):
    anna("domain", "add", "bücher.example", "--tenant", "acme")
    record = anna.json("domain", "list")[-1]
    assert (record["domain"], record["unicode"]) == ("xn--bcher-kva.example", "bücher.example")
    assert anna.json("domain", "suspend", "BÜCHER.example")[0]["status"] == "suspended"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("account", "suspend", "nobody@example.org"), "the tenant acme has no account nobody@example.org"),
        (("account", "set", "nobody@example.org", "--name", "x"), "has no account nobody@example.org"),
        (("account", "remove", "nobody@example.org", "--yes"), "has no account nobody@example.org"),
        (("account", "restore", ANNA), "no removed account anna@example.org"),
        (("domain", "suspend", "nowhere.net"), "no tenant has a domain nowhere.net"),
        (("domain", "set", "example.org", "--catch-all", "no@example.org"), "alias loop: *@example.org"),
        (("tenant", "suspend", "nobody"), "there is no tenant nobody"),
        (("tenant", "set", "nobody", "--name", "x"), "there is no tenant nobody"),
        (("tenant", "set", "acme", "--contact", "no@example.org"), "no@example.org takes no mail"),
        (("alias", "remove", "no@example.org", "--yes"), "the tenant acme has no alias no@example.org"),
        (("alias", "add", "*@example.org", ANNA), f"domain set example.org --catch-all {ANNA}"),
        (("alias", "add", "x@example.org", "x@example.org"), "loop: x@example.org -> x@example.org"),
        (("alias", "add", "x@example.org", "no@example.org"), "no@example.org takes no mail"),
        (("ledger", "--tenant", "nope"), "there is no tenant nope"),
        (("trace", "<a.b@c>"), "<a.b@c> is a Message-ID or an address; trace needs the spool id"),
    ],
)
def test_a_refusal_says_why(anna, arguments, reason):
    refused = anna(*arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert reason in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("account", "set", ANNA),
        ("account", "set", ANNA, "--quota", "0"),
        ("account", "set", ANNA, "--quota", "1G", "--no-quota"),
        ("domain", "set", "example.org"),
        ("domain", "set", "example.org", "--catch-all", ANNA, "--no-catch-all"),
        ("tenant", "set", "acme"),
    ],
)
def test_options_that_ask_for_nothing_or_for_two_things_are_wrong_usage(anna, arguments):
    assert anna(*arguments).exit_code == 2


def test_the_short_help_option_works_for_every_verb(anna):
    for words in ((), ("account",), ("account", "suspend"), ("trace",)):
        assert anna(*words, "-h").exit_code == 0
