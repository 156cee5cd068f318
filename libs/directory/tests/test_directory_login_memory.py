"""What the authenticator remembers of logins, and what it counts as a failure."""

import asyncio

import pytest

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.attempts import AttemptLimits
from mailyard.directory.authentication import Authenticator
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.suspension import Suspension
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable

pytestmark = pytest.mark.usefixtures("example")

ANNA = "anna@example.org"
RIGHT = "correct horse"
LIMITS = LoginLimits(
    login=AttemptLimits(free=50),
    login_from_address=AttemptLimits(free=2),
    address=AttemptLimits(free=50),
    network=AttemptLimits(free=50),
    remember_seconds=30.0,
)
BAD = Refusal(RefusalReason.BAD_CREDENTIALS)
UNAVAILABLE = Refusal(RefusalReason.UNAVAILABLE)


class WatchedPasswords(Passwords):
    """Counts checks, fails on demand, and lets a test act while a password is checked."""

    def __init__(self) -> None:
        super().__init__(HashCost(time=1, memory_kib=8))
        self.checks = 0
        self.is_overloaded = False
        self.meanwhile = None

    async def verify(self, hashed: str, password: str) -> bool:
        self.checks += 1
        if self.is_overloaded:
            raise Unavailable("too many passwords wait to be checked")
        right = await super().verify(hashed, password)
        if self.meanwhile is not None:
            await self.meanwhile()
        return right


@pytest.fixture
def passwords() -> WatchedPasswords:
    return WatchedPasswords()


@pytest.fixture
def access(store, clock) -> AccessWatch:
    return AccessWatch(store, clock=clock)


@pytest.fixture
def authenticator(store, directory, passwords, access, clock) -> Authenticator:
    return Authenticator(store, directory, passwords, LIMITS, access=access, clock=clock)


async def login(
    authenticator: Authenticator, password: str = RIGHT, name: str = ANNA, client_ip: str = "192.0.2.1"
) -> Identity | Refusal:
    return await authenticator.authenticate(name, password, client_ip=client_ip, service="imap")


async def test_a_login_is_remembered_from_every_address(authenticator, passwords):
    for last in range(1, 20):
        assert isinstance(await login(authenticator, client_ip=f"198.51.{last}.1"), Identity)
    assert passwords.checks == 1


async def test_a_remembered_login_does_not_cover_another_password_or_account(authenticator, passwords):
    await login(authenticator)
    assert await login(authenticator, "Correct horse") == BAD
    assert await login(authenticator, name="bert@example.org") == BAD
    assert passwords.checks == 3


@pytest.mark.parametrize("name", ["ANNA@example.org", '"anna"@example.org', "anna@EXAMPLE.org"])
async def test_all_spellings_of_a_login_name_share_one_memory(authenticator, passwords, name):
    await login(authenticator)
    assert isinstance(await login(authenticator, name=name), Identity)
    assert passwords.checks == 1


async def test_a_password_that_is_typed_in_another_normal_form_is_remembered_as_the_same(
    authenticator, passwords, example
):
    await example.set_password("acme", ANNA, "caf\u00e9 noir")
    assert isinstance(await login(authenticator, "caf\u00e9 noir"), Identity)
    assert isinstance(await login(authenticator, "cafe\u0301\u00a0noir"), Identity)
    assert passwords.checks == 1


async def test_name_and_password_cannot_be_shifted_against_each_other(authenticator):
    assert authenticator._mark("anna", "x", "imap") != authenticator._mark("ann", "ax", "imap")
    assert authenticator._mark("", "annax", "imap") != authenticator._mark("anna", "x", "imap")


async def test_the_memory_of_one_process_is_of_no_use_to_another(
    authenticator, store, directory, passwords, clock
):
    other = Authenticator(store, directory, passwords, LIMITS, clock=clock)
    assert authenticator._mark("anna", "x", "imap") != other._mark("anna", "x", "imap")


async def test_a_wrong_password_is_not_remembered_as_wrong(authenticator, passwords, example):
    assert await login(authenticator, "a new password") == BAD
    await example.set_password("acme", ANNA, "a new password")
    assert isinstance(await login(authenticator, "a new password"), Identity)


async def test_a_password_that_changes_while_it_is_checked_is_refused_for_now(
    authenticator, passwords, example, access
):
    async def change() -> None:
        passwords.meanwhile = None
        await example.set_password("acme", ANNA, "a new password")
        await access.poll()

    passwords.meanwhile = change
    assert await login(authenticator) == UNAVAILABLE
    assert await login(authenticator) == BAD


async def test_an_account_that_is_suspended_while_its_password_is_checked_is_refused(
    authenticator, passwords, example, store, access
):
    async def suspend() -> None:
        passwords.meanwhile = None
        await Suspension(store, example, now_utc).suspend_account("acme", ANNA)
        await access.poll()

    passwords.meanwhile = suspend
    assert await login(authenticator) == UNAVAILABLE
    assert await login(authenticator) == Refusal(RefusalReason.ACCOUNT_DISABLED)


async def test_only_wrong_credentials_count_as_failures(authenticator, passwords, example, store):
    passwords.is_overloaded = True
    for _ in range(10):
        assert await login(authenticator) == UNAVAILABLE
    passwords.is_overloaded = False
    await Suspension(store, example, now_utc).suspend_account("acme", ANNA)
    for _ in range(10):
        assert await login(authenticator) == Refusal(RefusalReason.ACCOUNT_DISABLED)
    await Suspension(store, example, now_utc).resume_account("acme", ANNA)
    assert isinstance(await login(authenticator), Identity)


async def test_a_login_that_waits_costs_no_hash_and_is_no_further_failure(authenticator, passwords, clock):
    for _ in range(3):
        assert await login(authenticator, "wrong") == BAD
    for _ in range(100):
        assert await login(authenticator, "wrong") == Refusal(RefusalReason.TOO_MANY_ATTEMPTS, 1.0)
    assert passwords.checks == 3
    clock.now += 1.0
    assert isinstance(await login(authenticator), Identity)


async def test_failures_are_counted_for_all_spellings_of_a_name_and_an_address_together(authenticator):
    for name, client_ip in [
        (ANNA, "192.0.2.1"),
        ("ANNA@example.org", "::ffff:192.0.2.1"),
        (ANNA, "192.0.2.1"),
    ]:
        assert await login(authenticator, "wrong", name, client_ip) == BAD
    answer = await login(authenticator, "wrong", "Anna@EXAMPLE.org")
    assert answer == Refusal(RefusalReason.TOO_MANY_ATTEMPTS, 1.0)


async def test_a_success_does_not_reset_the_failures(authenticator, clock):
    for _ in range(2):
        assert await login(authenticator, "wrong") == BAD
    assert isinstance(await login(authenticator), Identity)
    assert await login(authenticator, "wrong") == BAD
    assert await login(authenticator, "wrong") == Refusal(RefusalReason.TOO_MANY_ATTEMPTS, 1.0)


async def test_equal_logins_that_meet_wait_for_one_check_even_when_it_fails(authenticator, passwords):
    passwords.is_overloaded = True
    answers = await asyncio.gather(*(login(authenticator) for _ in range(5)))
    assert set(answers) == {UNAVAILABLE}
    passwords.is_overloaded = False
    answers = await asyncio.gather(*(login(authenticator) for _ in range(5)))
    assert all(isinstance(answer, Identity) for answer in answers)
    assert passwords.checks == 5 + 1


async def test_the_locks_of_logins_are_forgotten_when_they_are_over(authenticator):
    await asyncio.gather(
        *(login(authenticator, "wrong", f"u{n}@example.org", f"198.51.{n}.1") for n in range(30))
    )
    assert len(authenticator._turns) == 0
    assert not authenticator._hashing


async def test_an_account_whose_domain_went_to_another_tenant_may_not_log_in(authenticator, store):
    await store.collection("domains").update_one({"_id": "example.org"}, {"$set": {"tenant": "other"}})
    assert await login(authenticator) == Refusal(RefusalReason.ACCOUNT_DISABLED)


async def test_an_identity_carries_the_last_access_change_of_its_account(authenticator, example, access):
    first = await login(authenticator)
    await example.set_password("acme", ANNA, "a new password")
    second = await login(authenticator, "a new password")
    await example.set_password("acme", "bert@example.org", "a new password")
    await access.poll()
    third = (
        await login(authenticator, "battery", "nobody@example.org"),
        await login(authenticator, "carl's password", "carl@other.net"),
    )
    assert isinstance(first, Identity)
    assert isinstance(second, Identity)
    assert (first.revision, second.revision, third[1].revision) == (0, 1, 2)
    assert third[0] == BAD
    assert (access.has_ended(first), access.has_ended(second)) == (True, False)


async def test_nobody_may_send_as_an_address_of_a_foreign_or_unknown_domain(authenticator):
    identity = await login(authenticator)
    assert isinstance(identity, Identity)
    for address in (Address("anna", "elsewhere.test"), Address("anna", "[192.0.2.1]")):
        assert not await authenticator.may_send_as(identity, address)


async def test_one_may_send_as_an_alias_of_an_alias_and_not_through_a_loop(authenticator, example, store):
    rows = [
        {
            "_id": f"{name}@example.org",
            "tenant": "acme",
            "address": f"{name}@example.org",
            "targets": [target],
        }
        for name, target in [
            ("outer", "inner@example.org"),
            ("inner", ANNA),
            ("loop", "pool@example.org"),
            ("pool", "loop@example.org"),
        ]
    ]
    await store.collection("addresses").insert_many(rows)
    identity = await login(authenticator)
    assert isinstance(identity, Identity)
    assert await authenticator.may_send_as(identity, Address("outer", "example.org"))
    assert not await authenticator.may_send_as(identity, Address("loop", "example.org"))
