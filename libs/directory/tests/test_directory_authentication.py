"""Logins against accounts in a real MongoDB."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from mailyard.directory.attempts import AttemptLimits
from mailyard.directory.authentication import HASHES_OF_ADDRESS, Authenticator
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.model import AccountStatus
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.message.address import Address
from mailyard.store.client import Store

ANNA = "anna@example.org"
LIMITS = LoginLimits(
    login=AttemptLimits(free=6),
    login_from_address=AttemptLimits(free=2),
    address=AttemptLimits(free=4),
    network=AttemptLimits(free=20),
)
BAD = Refusal(RefusalReason.BAD_CREDENTIALS)


class CountedPasswords(Passwords):
    def __init__(self) -> None:
        super().__init__(HashCost(time=1, memory_kib=8))
        self.verified: list[str] = []

    async def verify(self, hashed: str, password: str) -> bool:
        self.verified.append(hashed)
        return await super().verify(hashed, password)


@pytest.fixture
def counted() -> CountedPasswords:
    return CountedPasswords()


@pytest.fixture
def authenticator(example, store, directory, counted, clock) -> Authenticator:
    return Authenticator(store, directory, counted, LIMITS, clock=clock)


async def login(authenticator, name: str, password: str, client_ip: str = "192.0.2.1") -> Identity | Refusal:
    return await authenticator.authenticate(name, password, client_ip=client_ip, service="imap")


async def set_status(store: Store, status: AccountStatus) -> None:
    await store.collection("accounts").update_one({"key": ANNA}, {"$set": {"status": status}})


async def test_the_right_password_gives_the_identity(authenticator, example):
    account = await example.accounts.get("acme", Address.parse(ANNA))
    expected = Identity(str(account.id), "acme", Address.parse(ANNA))
    assert await login(authenticator, ANNA, "correct horse") == expected
    assert await login(authenticator, "ANNA@Example.org", "correct horse") == expected


@pytest.mark.parametrize(
    ("name", "password"),
    [
        (ANNA, "wrong"),
        (ANNA, ""),
        (ANNA, "x" * 2000),
        (ANNA, "\udcff"),
        ("nobody@example.org", "correct horse"),
        ("anna", "correct horse"),
        ("", ""),
        ("\x00" * 5000, "correct horse"),
    ],
)
async def test_every_wrong_login_costs_one_hash_and_gets_the_same_answer(
    authenticator, counted, name, password
):
    assert await login(authenticator, name, password) == BAD
    assert len(counted.verified) == 1


async def test_an_alias_is_no_login_name(authenticator, example):
    await example.add_alias("acme", "sales@example.org", [ANNA])
    assert await login(authenticator, "sales@example.org", "correct horse") == BAD


@pytest.mark.parametrize("status", [AccountStatus.SUSPENDED, AccountStatus.DISABLED])
async def test_only_who_knows_the_password_learns_that_an_account_is_disabled(authenticator, store, status):
    await set_status(store, status)
    assert await login(authenticator, ANNA, "wrong") == BAD
    assert await login(authenticator, ANNA, "correct horse") == Refusal(RefusalReason.ACCOUNT_DISABLED)


async def test_a_right_password_is_hashed_once_for_its_time(authenticator, counted, clock):
    for _ in range(5):
        assert isinstance(await login(authenticator, ANNA, "correct horse"), Identity)
    assert len(counted.verified) == 1
    clock.now += 30
    assert isinstance(await login(authenticator, ANNA, "correct horse"), Identity)
    assert len(counted.verified) == 2


async def test_connections_that_log_in_together_share_one_hash(authenticator, counted):
    answers = await asyncio.gather(*(login(authenticator, ANNA, "correct horse") for _ in range(60)))
    assert all(isinstance(answer, Identity) for answer in answers)
    assert len(counted.verified) == 1


async def test_what_is_remembered_holds_no_password(authenticator):
    await login(authenticator, ANNA, "correct horse")
    marks = list(authenticator._remembered._entries)
    assert [len(mark) for mark in marks] == [32]
    assert b"correct horse" not in marks[0]


async def test_guesses_at_one_account_wait_ever_longer_and_cost_no_hash(authenticator, counted, clock):
    waits = []
    for _ in range(5):
        while isinstance(answer := await login(authenticator, ANNA, "wrong"), Refusal):
            if answer.reason is RefusalReason.BAD_CREDENTIALS:
                break
            waits.append(answer.retry_seconds)
            clock.now += answer.retry_seconds
    assert waits == [1.0, pytest.approx(2.0, rel=0.1)]
    assert len(counted.verified) == 5


async def test_guesses_made_at_the_same_time_are_not_free_either(authenticator, counted):
    answers = await asyncio.gather(*(login(authenticator, ANNA, f"guess {n}") for n in range(50)))
    refused = [answer for answer in answers if answer.reason is RefusalReason.TOO_MANY_ATTEMPTS]
    assert (len(counted.verified), len(refused)) == (3, 47)


async def spray(authenticator, client_ip: str, times: int) -> None:
    for n in range(times):
        await login(authenticator, f"u{n}@example.org", "wrong", client_ip)


async def is_slowed(authenticator, name: str = ANNA, client_ip: str = "192.0.2.1") -> bool:
    answer = await login(authenticator, name, "a guess", client_ip)
    return answer.reason is RefusalReason.TOO_MANY_ATTEMPTS


async def test_a_guesser_in_the_same_network_does_not_lock_the_owner_out(authenticator):
    for _ in range(4):
        await login(authenticator, ANNA, "wrong", "198.51.100.7")
    assert await is_slowed(authenticator, ANNA, "198.51.100.7")
    assert isinstance(await login(authenticator, ANNA, "correct horse", "198.51.100.99"), Identity)


async def test_guesses_from_everywhere_do_not_lock_the_owner_out_anywhere(authenticator):
    for n in range(30):
        await login(authenticator, ANNA, "wrong", f"198.51.{n}.1")
    assert isinstance(await login(authenticator, ANNA, "correct horse", "192.0.2.1"), Identity)


async def test_an_account_under_attack_leaves_each_network_one_guess_in_an_hour(
    authenticator, counted, clock
):
    for n in range(7):
        assert await login(authenticator, ANNA, "wrong", f"198.51.{n}.1") == BAD
    assert await login(authenticator, ANNA, "wrong", "198.51.99.1") == BAD
    for last in range(2, 100):
        assert await is_slowed(authenticator, ANNA, f"198.51.99.{last}")
    assert len(counted.verified) == 8
    clock.now += 3600
    assert not await is_slowed(authenticator, ANNA, "198.51.99.1")


async def test_a_spraying_client_slows_itself_and_not_its_whole_network(authenticator):
    await spray(authenticator, "198.51.100.7", 9)
    assert await is_slowed(authenticator, "u99@example.org", "198.51.100.7")
    assert isinstance(await login(authenticator, ANNA, "correct horse", "198.51.100.8"), Identity)


async def test_a_network_full_of_spraying_clients_is_slowed_as_a_whole(authenticator):
    for n in range(5):
        await spray(authenticator, f"198.51.100.{n}", 5)
    assert await is_slowed(authenticator, "u99@example.org", "198.51.100.200")
    assert not await is_slowed(authenticator, "u99@example.org", "198.51.101.200")


async def test_who_has_logged_in_from_a_network_gets_in_there_whoever_else_fails(authenticator, clock):
    assert isinstance(await login(authenticator, ANNA, "correct horse", "198.51.100.8"), Identity)
    clock.now += 3600
    for n in range(5):
        await spray(authenticator, f"198.51.100.{n}", 5)
    await spray(authenticator, "198.51.100.8", 5)
    for n in range(30):
        await login(authenticator, ANNA, "wrong", f"203.0.{n}.1")
    assert isinstance(await login(authenticator, ANNA, "correct horse", "198.51.100.8"), Identity)


async def test_a_remembered_login_is_not_slowed_at_all(authenticator):
    assert isinstance(await login(authenticator, ANNA, "correct horse"), Identity)
    for _ in range(20):
        await login(authenticator, ANNA, "wrong")
    assert await is_slowed(authenticator)
    assert isinstance(await login(authenticator, ANNA, "correct horse"), Identity)


class HeldPasswords(CountedPasswords):
    """Hashes wait until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def verify(self, hashed: str, password: str) -> bool:
        self.verified.append(hashed)
        await self.free.wait()
        return False


async def test_one_address_leaves_room_for_others_among_the_hashes_that_wait(
    example, store, directory, clock
):
    held = HeldPasswords()
    authenticator = Authenticator(store, directory, held, clock=clock)

    async def until_held(number: int) -> None:
        async with asyncio.timeout(10):
            while len(held.verified) < number:  # noqa: ASYNC110  # no event reports it
                await asyncio.sleep(0.01)

    waiting = [
        asyncio.create_task(login(authenticator, f"u{n}@example.org", "wrong"))
        for n in range(HASHES_OF_ADDRESS)
    ]
    await until_held(HASHES_OF_ADDRESS)
    refused = await login(authenticator, "u999@example.org", "wrong")
    assert refused == Refusal(RefusalReason.TOO_MANY_ATTEMPTS, 1.0)
    waiting.append(asyncio.create_task(login(authenticator, ANNA, "wrong", "198.51.100.7")))
    await until_held(HASHES_OF_ADDRESS + 1)
    held.free.set()
    assert set(await asyncio.gather(*waiting)) == {BAD}
    assert not authenticator._hashing


async def test_guesses_from_one_address_at_many_accounts_are_slowed_even_for_unknown_ones(authenticator):
    for n in range(5):
        assert await login(authenticator, f"u{n}@example.org", "wrong", f"2001:db8::{n}") == BAD
    answer = await login(authenticator, "u9@example.org", "wrong", "2001:db8::ffff")
    assert answer == Refusal(RefusalReason.TOO_MANY_ATTEMPTS, 1.0)
    assert await login(authenticator, "u9@example.org", "wrong", "2001:db8:0:1::1") == BAD


async def test_a_weak_hash_is_renewed_at_the_next_login_and_still_fits(example, store, directory, clock):
    strong = Passwords(HashCost(time=2, memory_kib=16))
    authenticator = Authenticator(store, directory, strong, clock=clock)
    before = await example.accounts.entry_by_login(Address.parse(ANNA))
    assert isinstance(await login(authenticator, ANNA, "correct horse"), Identity)
    after = await example.accounts.entry_by_login(Address.parse(ANNA))
    assert before.secret.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert after.secret.startswith("$argon2id$v=19$m=16,t=2,p=1$")
    clock.now += 60
    assert isinstance(await login(authenticator, ANNA, "correct horse"), Identity)


async def test_an_unreachable_store_is_reported_as_unavailable(directory, counted, clock):
    unreachable = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=200)
    authenticator = Authenticator(unreachable, directory, counted, clock=clock)
    assert await login(authenticator, ANNA, "correct horse") == Refusal(RefusalReason.UNAVAILABLE)
    await unreachable.close()


async def test_logins_are_logged_without_passwords(authenticator):
    structlog.reset_defaults()
    with capture_logs() as lines:
        await login(authenticator, ANNA, "correct horse")
        await login(authenticator, ANNA, "wrong password")
        await login(authenticator, "typed my password here", "x")
    assert [(line["event"], line.get("reason"), line.get("login")) for line in lines] == [
        ("login.accepted", None, None),
        ("login.refused", "bad-credentials", ANNA),
        ("login.refused", "bad-credentials", "(no address)"),
    ]
    secrets = ("correct horse", "wrong password", "my password")
    assert not [line for line in lines for secret in secrets if secret in str(line)]
    assert (lines[0]["proof"], lines[0]["app_password"]) == ("password", "")


async def test_one_may_send_as_oneself_and_as_aliases_that_reach_oneself(authenticator, example):
    await example.add_alias("acme", "sales@example.org", [ANNA, "zoe@remote.net"])
    await example.add_alias("acme", "ops@example.org", ["bert@example.org"])
    await example.add_alias("other", "fake@other.net", [ANNA])
    anna = await login(authenticator, ANNA, "correct horse")
    verdicts = {
        "anna@example.org": True,
        "Anna+news@example.org": True,
        "sales@example.org": True,
        "ops@example.org": False,
        "bert@example.org": False,
        "nobody@example.org": False,
        "anna@remote.net": False,
        "carl@other.net": False,
        "fake@other.net": False,
        "postmaster@example.org": False,  # anna receives its mail by default, as the oldest account
    }
    for address, verdict in verdicts.items():
        assert await authenticator.may_send_as(anna, Address.parse(address)) is verdict, address
