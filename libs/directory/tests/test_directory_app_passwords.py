"""App passwords: what they open, for whom, and that their removal ends their own sessions and no others."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from pymongo.monitoring import CommandListener
from structlog.testing import capture_logs

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.apppasswordchange import MAX_APP_PASSWORDS, MAX_NETWORKS, AppPasswordChange
from mailyard.directory.apppasswords import (
    COLLECTION,
    AppPassword,
    LoginScope,
    digest_of,
    is_in_networks,
    new_secret,
    secret_in,
)
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.errors import AlreadyExists, Invalid, NotFound
from mailyard.directory.identity import Identity, LoginClient, Proof, ProofKind, Refusal, RefusalReason
from mailyard.directory.model import Account, LoginEntry
from mailyard.directory.policychange import PolicyChange
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.store import client
from mailyard.store.client import Store

ANNA = "anna@example.org"
BAD = Refusal(RefusalReason.BAD_CREDENTIALS)
ALL = tuple(LoginScope)
START = datetime(2026, 11, 28, 12, tzinfo=UTC)
EVERYWHERE = "192.0.2.1"


class ManualNow:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def now() -> ManualNow:
    return ManualNow()


@pytest.fixture
def change(store, example, now) -> AppPasswordChange:
    return AppPasswordChange(store, example, now)


@pytest.fixture
def access(store, clock) -> AccessWatch:
    return AccessWatch(store, clock=clock)


@pytest.fixture
def authenticator(store, passwords, access, clock, now) -> Authenticator:
    return Authenticator(store, Directory(store, clock=clock), passwords, access=access, clock=clock, now=now)


async def log_in(
    authenticator: Authenticator,
    password: str,
    service: str = "imap",
    client_ip: str = EVERYWHERE,
    name: str = ANNA,
) -> Identity | Refusal:
    return await authenticator.authenticate(name, password, client_ip=client_ip, service=service)


async def opens(
    authenticator: Authenticator, password: str, service: str = "imap", ip: str = EVERYWHERE
) -> bool:
    return isinstance(await log_in(authenticator, password, service, ip), Identity)


def test_a_secret_is_four_groups_of_characters_that_nobody_mixes_up():
    found = {new_secret() for _ in range(200)}
    assert len(found) == 200
    for secret in found:
        assert re.fullmatch("([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}", secret)


@pytest.mark.parametrize(
    "typed", ["abcde-fghij-kmnpq-rstuv", "abcdefghijkmnpqrstuv", "ABCDE FGHIJ KMNPQ RSTUV"]
)
def test_a_secret_may_be_typed_without_hyphens_with_spaces_or_in_capitals(typed):
    assert secret_in(typed) == "abcdefghijkmnpqrstuv"


@pytest.mark.parametrize(
    "typed",
    ["", "correct horse", "abcdefghijkmnpqrstu", "abcdefghijkmnpqrstuvw", "l" * 20, "a" * 1000, "é" * 20],
)
def test_other_passwords_have_not_the_form_of_a_secret(typed):
    assert secret_in(typed) is None


def test_the_same_secret_has_another_digest_in_another_account():
    assert digest_of(ObjectId(), "a" * 20) != digest_of(ObjectId(), "a" * 20)


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("192.0.2.7", (), True),
        ("no address", (), True),
        ("192.0.2.7", ("192.0.2.0/24",), True),
        ("192.0.3.7", ("192.0.2.0/24",), False),
        ("192.0.3.7", ("192.0.2.0/24", "192.0.3.7/32"), True),
        ("::ffff:192.0.2.7", ("192.0.2.0/24",), True),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("2001:db8::1", ("0.0.0.0/0",), False),
        ("no address", ("0.0.0.0/0", "::/0"), False),
    ],
)
def test_a_client_is_in_the_allowed_networks_or_not(address, networks, expected):
    assert is_in_networks(address, networks) is expected


async def test_an_app_password_logs_in_and_the_identity_says_so(change, authenticator, example, now):
    expires_at = START + timedelta(days=30)
    added, secret = await change.add(
        "acme", ANNA, "phone", [LoginScope.IMAP], networks=["192.0.2.7/24"], expires_at=expires_at
    )
    identity = await log_in(authenticator, secret)
    account = await example.require_account("acme", Address.parse(ANNA))
    assert identity == Identity(str(account.id), "acme", account.address)
    assert identity.proof == Proof(
        ProofKind.APP_PASSWORD, "phone", frozenset({"imap"}), str(added.id), ("192.0.2.0/24",), expires_at
    )
    assert (await log_in(authenticator, "correct horse")).proof == Proof(ProofKind.PASSWORD)


async def test_an_app_password_opens_what_its_scopes_name_and_nothing_else(change, authenticator):
    _, secret = await change.add("acme", ANNA, "scanner", [LoginScope.SMTP])
    assert await opens(authenticator, secret, "smtp-in")
    for service in ("imap", "pop3", "api", "console", "smtp", ""):
        assert not await opens(authenticator, secret, service)  # although it is remembered for smtp-in


async def test_an_app_password_is_valid_in_its_networks_alone_also_while_it_is_remembered(
    change, authenticator
):
    _, secret = await change.add("acme", ANNA, "office", ALL, networks=["198.51.100.0/24"])
    assert not await opens(authenticator, secret)
    assert await opens(authenticator, secret, ip="198.51.100.7")
    assert not await opens(authenticator, secret, ip="203.0.113.7")
    assert await opens(authenticator, secret, ip="198.51.100.200")


async def test_an_app_password_expires_to_the_second_also_while_it_is_remembered(
    change, authenticator, now, clock
):
    _, secret = await change.add("acme", ANNA, "guest", ALL, expires_at=START + timedelta(seconds=20))
    assert await opens(authenticator, secret)
    now.now += timedelta(seconds=19)
    clock.now += 19
    assert await opens(authenticator, secret)
    now.now += timedelta(seconds=1)
    clock.now += 1
    assert not await opens(authenticator, secret)


async def test_open_sessions_of_an_expired_app_password_end(change, authenticator, access, monkeypatch, now):
    monkeypatch.setattr("mailyard.directory.accesswatch.now_utc", now)
    _, secret = await change.add("acme", ANNA, "guest", ALL, expires_at=START + timedelta(hours=1))
    ended: list[str] = []
    access.open(await log_in(authenticator, secret), lambda: ended.append("guest"))
    closed = access.open(await log_in(authenticator, secret), lambda: ended.append("closed before"))
    access.open(await log_in(authenticator, "correct horse"), lambda: ended.append("main"))
    access.close(closed)
    now.now += timedelta(minutes=59)
    await access.poll()
    assert ended == []
    now.now += timedelta(minutes=1)
    await access.poll()
    await access.poll()
    assert ended == ["guest"]


async def test_the_reason_of_a_refusal_is_logged_and_the_client_learns_nothing(change, authenticator):
    _, secret = await change.add("acme", ANNA, "scanner", [LoginScope.SMTP])
    with capture_logs() as lines:
        assert await log_in(authenticator, secret) == BAD
    [line] = [each for each in lines if each["event"] == "login.app_password_refused"]
    assert (line["app_password"], line["reason"], line["tenant"]) == ("scanner", "scope", "acme")
    assert secret not in str(lines)


async def test_an_app_password_opens_its_own_account_alone(change, authenticator):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    for name in ("bert@example.org", "carl@other.net", "nobody@example.org", "anna@other.net", "anna"):
        assert await log_in(authenticator, secret, name=name) == BAD


async def test_nobody_logs_in_to_a_suspended_account_with_an_app_password(change, authenticator, store):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    await store.collection("accounts").update_one({"key": ANNA}, {"$set": {"status": "suspended"}})
    assert await log_in(authenticator, secret) == Refusal(RefusalReason.ACCOUNT_DISABLED)


class Elsewhere:
    """A source that has anna@example.org and knows none of her passwords."""

    name = "mongodb"

    def __init__(self, account: Account) -> None:
        self._account = account

    async def find(self, login: Address | None) -> LoginEntry | None:
        return LoginEntry(self._account, "cn=anna") if login == self._account.address else None

    async def verify(self, entry: LoginEntry | None, password: str, client: LoginClient) -> Proof | None:
        return None

    async def list(self, tenant: str) -> Sequence[Account]:
        return [self._account]


async def test_app_passwords_open_accounts_of_every_source(change, store, directory, passwords, example):
    account = await example.require_account("acme", Address.parse(ANNA))
    authenticator = Authenticator(store, directory, passwords, sources=[Elsewhere(account)])
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    assert await opens(authenticator, secret)
    assert not await opens(authenticator, "correct horse")


async def test_removal_ends_its_own_sessions_on_every_pod_and_no_others(change, store, passwords, clock, now):
    _, phone = await change.add("acme", ANNA, "phone", ALL)
    _, laptop = await change.add("acme", ANNA, "laptop", ALL)
    pods = []
    for _ in range(2):
        directory = Directory(store)
        watch = AccessWatch(store, directory.forget, clock=clock)
        authenticator = Authenticator(store, directory, passwords, access=watch, clock=clock, now=now)
        ended: list[str] = []
        for secret in (phone, laptop, "correct horse"):
            identity = await log_in(authenticator, secret)
            watch.open(identity, lambda name=identity.proof.name, ended=ended: ended.append(name))
        pods.append((directory, watch, authenticator, ended))
    await change.remove("acme", ANNA, "phone")
    for directory, watch, authenticator, ended in pods:
        known = directory.policies.of_domain_cached("example.org")
        assert known is not None
        await watch.poll()
        assert ended == ["phone"]
        assert directory.policies.of_domain_cached("example.org") is known  # nothing is asked anew
        assert not await opens(authenticator, phone)
        assert await opens(authenticator, laptop)
        assert await opens(authenticator, "correct horse")


async def test_a_login_that_is_checked_while_its_app_password_is_removed_does_not_last(
    change, authenticator, access, monkeypatch
):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    found = authenticator.app_passwords._rows.find

    async def find_then_remove(tenant: str, account: ObjectId, digest: str) -> AppPassword | None:
        row = await found(tenant, account, digest)
        await change.remove("acme", ANNA, "phone")
        await access.poll()
        return row

    monkeypatch.setattr(authenticator.app_passwords._rows, "find", find_then_remove)
    assert await log_in(authenticator, secret) == Refusal(RefusalReason.UNAVAILABLE)


async def test_the_main_password_opens_no_protocol_for_which_it_is_off(
    change, authenticator, access, example
):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    ended: list[str] = []
    access.open(await log_in(authenticator, "correct horse"), lambda: ended.append("imap"))
    await change.set_main_password_off("acme", ANNA, [LoginScope.IMAP, LoginScope.POP3])
    await access.poll()
    assert ended == ["imap"]
    assert not await opens(authenticator, "correct horse", "imap")  # it was remembered
    assert not await opens(authenticator, "correct horse", "pop3")
    assert await opens(authenticator, "correct horse", "smtp-in")
    assert await opens(authenticator, "correct horse", "api")
    assert await opens(authenticator, secret, "imap")
    account = await change.set_main_password_off("acme", ANNA, [])
    assert account.main_password_off == ()
    await access.poll()
    assert await opens(authenticator, "correct horse", "imap")


async def test_a_policy_sets_the_main_password_off_for_a_domain_or_a_tenant(
    store, example, passwords, change
):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    policies = PolicyChange(store, example)
    await policies.set_tenant("acme", {"main_password_off": "imap,smtp"})

    async def fresh(password: str, service: str) -> bool:
        return await opens(Authenticator(store, Directory(store), passwords), password, service)

    assert not await fresh("correct horse", "imap")
    assert not await fresh("correct horse", "smtp-in")
    assert await fresh("correct horse", "pop3")
    assert await fresh(secret, "imap")
    await policies.set_domain("acme", "example.org", {"main_password_off": "none"})
    assert await fresh("correct horse", "imap")
    with pytest.raises(Invalid, match="write some of imap, pop3, smtp"):
        await policies.set_tenant("acme", {"main_password_off": "ftp"})


async def test_a_wrong_main_password_is_not_told_from_one_that_is_off(change, authenticator):
    await change.set_main_password_off("acme", ANNA, ALL)
    with capture_logs() as lines:
        assert await log_in(authenticator, "correct horse") == await log_in(authenticator, "wrong") == BAD
    assert [each["event"] for each in lines].count("login.main_password_off") == 1


class Commands(CommandListener):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def started(self, event) -> None:
        self.seen.append(event.command_name)

    def succeeded(self, event) -> None:
        pass

    def failed(self, event) -> None:
        pass


async def test_a_login_writes_nothing_and_uses_are_written_in_batches(
    change, mongo_url, database, passwords, monkeypatch
):
    made = [await change.add("acme", ANNA, f"phone {number}", ALL) for number in range(5)]
    commands = Commands()
    monkeypatch.setattr(client, "LISTENERS", [commands])
    store = Store(mongo_url, database)
    authenticator = Authenticator(store, Directory(store), passwords)
    for _, secret in made:
        for last in (1, 2):
            assert await opens(authenticator, secret, ip=f"192.0.2.{last}")
    assert not {"update", "findAndModify", "insert"} & set(commands.seen)
    assert await authenticator.app_passwords.write_uses() is False
    assert commands.seen.count("update") == 1
    assert await authenticator.app_passwords.write_uses() is False
    assert commands.seen.count("update") == 1
    await store.close()
    for listed in await change.list("acme", ANNA):
        assert listed.last_address == "192.0.2.2"
        assert listed.last_used_at is not None


async def test_an_earlier_use_of_another_pod_does_not_replace_a_later_one(
    change, store, example, directory, passwords
):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    clocks = [ManualNow(), ManualNow()]
    clocks[1].now += timedelta(minutes=5)
    pods = [Authenticator(store, directory, passwords, now=each) for each in clocks]
    for pod, ip in zip(pods, ("192.0.2.1", "192.0.2.2"), strict=True):
        assert await opens(pod, secret, ip=ip)
    await pods[1].app_passwords.write_uses()
    await pods[0].app_passwords.write_uses()
    [listed] = await change.list("acme", ANNA)
    assert (listed.last_used_at, listed.last_address) == (clocks[1].now, "192.0.2.2")


async def test_uses_that_cannot_be_written_are_written_later(change, authenticator, monkeypatch):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    assert await opens(authenticator, secret)

    async def unreachable(uses: object) -> None:
        raise Unavailable("MongoDB is unreachable")

    with monkeypatch.context() as patched:
        patched.setattr(authenticator.app_passwords._rows, "note_uses", unreachable)
        with pytest.raises(Unavailable):
            await authenticator.app_passwords.write_uses()
    await authenticator.app_passwords.write_uses()
    [listed] = await change.list("acme", ANNA)
    assert listed.last_used_at == START


async def test_uses_in_memory_are_bounded(authenticator, monkeypatch):
    monkeypatch.setattr("mailyard.directory.apppasswordlogins._MAX_USES", 3)
    address = Address.parse(ANNA)
    for _ in range(5):
        proof = Proof(ProofKind.APP_PASSWORD, id=str(ObjectId()))
        identity = Identity("a", "acme", address, proof=proof)
        authenticator.app_passwords.note_use(identity, LoginClient(EVERYWHERE, "imap"))
    assert len(authenticator.app_passwords._uses) == 3


async def test_names_are_unique_in_an_account_and_its_app_passwords_are_few(change):
    await change.add("acme", ANNA, "phone", ALL)
    with pytest.raises(AlreadyExists, match="'phone' already"):
        await change.add("acme", ANNA, " phone ", ALL)
    await change.add("acme", "bert@example.org", "phone", ALL)
    for number in range(MAX_APP_PASSWORDS - 1):
        await change.add("acme", ANNA, f"device {number}", ALL)
    with pytest.raises(Invalid, match="at most 50 app passwords"):
        await change.add("acme", ANNA, "one more", ALL)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"name": " "}, "1 to 64 printable"),
        ({"name": "x" * 65}, "1 to 64 printable"),
        ({"name": "a\nb"}, "1 to 64 printable"),
        ({"scopes": []}, "at least one scope"),
        ({"networks": ["example.org"]}, "192.0.2.0/24"),
        ({"networks": ["192.0.2.0/24"] * (MAX_NETWORKS + 1)}, "at most 20 networks"),
        ({"expires_at": START}, "in the future"),
    ],
)
async def test_what_makes_no_sense_is_refused(change, arguments, reason):
    name, scopes = arguments.pop("name", "phone"), arguments.pop("scopes", ALL)
    with pytest.raises(Invalid, match=reason):
        await change.add("acme", ANNA, name, scopes, **arguments)


async def test_only_the_tenant_of_an_account_sees_and_removes_its_app_passwords(change, store):
    await change.add("acme", ANNA, "phone", ALL)
    for wrong in (
        change.list("other", ANNA),
        change.remove("other", ANNA, "phone"),
        change.add("other", ANNA, "x", ALL),
        change.remove("acme", ANNA, "laptop"),
        change.set_main_password_off("other", ANNA, ALL),
    ):
        with pytest.raises(NotFound):
            await wrong
    assert await store.collection(COLLECTION).count_documents({}) == 1


async def test_the_stored_row_holds_no_secret(change, store):
    _, secret = await change.add("acme", ANNA, "phone", ALL)
    row = await store.collection(COLLECTION).find_one({})
    plain = secret.replace("-", "")
    assert secret not in str(row)
    assert plain not in str(row)
    assert row["digest"] == digest_of(row["account"], plain)


async def test_a_login_uses_the_index(change, store):
    await change.add("acme", ANNA, "phone", ALL)
    query = {"tenant": "acme", "account": ObjectId(), "digest": "x"}
    plan = await store.collection(COLLECTION).find(query).explain()
    assert "login" in str(plan["queryPlanner"]["winningPlan"])


async def test_guesses_in_the_form_of_an_app_password_are_slowed_like_others(authenticator, example):
    reasons = [(await log_in(authenticator, new_secret())).reason for _ in range(12)]
    assert reasons[0] is RefusalReason.BAD_CREDENTIALS
    assert reasons[-1] is RefusalReason.TOO_MANY_ATTEMPTS
