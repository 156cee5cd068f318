"""The login log and the blocks of logins by command."""

import asyncio

import pytest

from mailyard.directory.attempts import AttemptLimits
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.loginlog.recorder import LoginRecorder
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.store.client import Store

ANNA = "anna@example.org"
PASSWORD = "correct horse"
LIMITS = LoginLimits(address=AttemptLimits(free=1, block_seconds=600.0))


@pytest.fixture
def attacked(example, mongo_url, database):
    """Anna has logged in, and then somebody has guessed at many names from 198.51.100.7."""
    added = example("account", "add", ANNA, "--password-stdin", given=PASSWORD)
    assert added.exit_code == 0, added.stderr

    async def attack() -> None:
        store = Store(mongo_url, database)
        directory = Directory(store)
        recorder = LoginRecorder(store, directory.policies, 30)
        cheap = Passwords(HashCost(time=1, memory_kib=8))
        now = 1000.0
        logins = Authenticator(store, directory, cheap, LIMITS, recorder=recorder, clock=lambda: now)
        await logins.authenticate(ANNA, PASSWORD, client_ip="192.0.2.1", service="imap")
        for number in range(12):
            now += 8
            name = ANNA if number == 0 else f"user{number}@example.org"
            await logins.authenticate(name, "guess", client_ip="198.51.100.7", service="smtp-in")
        await logins.exchange.exchange()
        await recorder.write()
        await store.close()

    asyncio.run(attack())
    return example


def test_the_login_log_shows_time_service_client_proof_and_result(attacked) -> None:
    wrong, right = attacked.json("login-log", "show", ANNA)
    assert (right["result"], right["service"], right["client"], right["proof"], right["count"]) == (
        *("accepted", "imap", "192.0.2.1", "password"),
        1,
    )
    assert (wrong["result"], wrong["service"], wrong["client"]) == (
        *("bad-credentials", "smtp-in"),
        "198.51.100.7",
    )
    assert "bad-credentials" in attacked("login-log", "show", ANNA).stdout
    assert len(attacked.json("login-log", "show", ANNA, "--limit", "1")) == 1


def test_the_login_log_of_an_unknown_account_is_refused(attacked) -> None:
    refused = attacked("login-log", "show", "nobody@example.org")
    assert (refused.exit_code, "has no account nobody@example.org" in refused.stderr) == (1, True)


def test_a_block_is_listed_and_lifted_by_its_name(attacked) -> None:
    (block,) = attacked.json("login-block", "list")
    assert (block["kind"], block["subject"]) == ("address", "198.51.100.7")
    (lifted,) = attacked.json("login-block", "remove", "198.51.100.7")
    assert lifted == block
    assert attacked.json("login-block", "list") == []
    refused = attacked("login-block", "remove", "198.51.100.7")
    assert (refused.exit_code, "nothing is blocked" in refused.stderr) == (1, True)
