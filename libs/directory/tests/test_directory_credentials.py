"""Sources of credentials: the directory's own, and another one that a domain names."""

from collections.abc import Sequence

import pytest
from bson import ObjectId
from structlog.testing import capture_logs

from mailyard.directory.authentication import Authenticator
from mailyard.directory.credentialsource import CredentialSources, MongoCredentials
from mailyard.directory.directory import Directory
from mailyard.directory.domains import COLLECTION as DOMAINS
from mailyard.directory.identity import Identity, LoginClient, Proof, ProofKind, Refusal, RefusalReason
from mailyard.directory.model import Account, LoginEntry
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.policychange import PolicyChange
from mailyard.directory.provisioning import Provisioning
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store

ANNA = Address("anna", "example.org")
CLIENT = LoginClient("192.0.2.1", "test")


class Elsewhere:
    """A source as LDAP will be one: it has anna@example.org with another password."""

    name = "elsewhere"

    def __init__(self) -> None:
        self.account = Account(ObjectId(), "acme", ANNA)
        self.is_unreachable = False
        self.verified: list[str] = []
        self.clients: list[LoginClient] = []

    async def find(self, login: Address | None) -> LoginEntry | None:
        if self.is_unreachable:
            raise Unavailable("no server of this source answers")
        return LoginEntry(self.account, "cn=anna") if login == ANNA else None

    async def verify(self, entry: LoginEntry | None, password: str, client: LoginClient) -> Proof | None:
        self.verified.append(password)
        self.clients.append(client)
        return Proof(name="cn=anna") if entry is not None and password == "from elsewhere" else None

    async def list(self, tenant: str) -> Sequence[Account]:
        return [self.account] if tenant == "acme" else []


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
async def chosen(
    store: Store, example: Provisioning, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """example.org names the other source."""
    monkeypatch.setattr("mailyard.directory.policy.LOGIN_SOURCES", ("mongodb", "elsewhere"))
    await PolicyChange(store, example).set_domain("acme", "example.org", {"login_source": "elsewhere"})


@pytest.fixture
def authenticator(
    store: Store, directory: Directory, passwords: Passwords, elsewhere: Elsewhere, clock
) -> Authenticator:
    return Authenticator(store, directory, passwords, sources=[elsewhere], clock=clock)


async def log_in(authenticator: Authenticator, login: str, password: str) -> str:
    answer = await authenticator.authenticate(login, password, client_ip="192.0.2.1", service="test")
    return answer.account if isinstance(answer, Identity) else answer.reason


async def test_the_directory_s_own_accounts_are_found_and_verified(
    store: Store, example: Provisioning, passwords: Passwords
) -> None:
    source = MongoCredentials(store, passwords)
    entry = await source.find(ANNA)
    assert entry is not None
    assert str(entry.account.address) == "anna@example.org"
    assert entry.secret not in repr(entry)
    assert await source.verify(entry, "correct horse", CLIENT) == Proof(ProofKind.PASSWORD)
    assert not await source.verify(entry, "battery staple", CLIENT)
    assert await source.find(Address("nobody", "example.org")) is None
    assert await source.find(None) is None
    assert not await source.verify(None, "correct horse", CLIENT)
    assert [str(each.address) for each in await source.list("acme")] == [
        "anna@example.org",
        "bert@example.org",
    ]


@pytest.mark.usefixtures("chosen")
async def test_a_domain_s_logins_are_checked_by_the_source_that_its_policy_names(
    authenticator: Authenticator, elsewhere: Elsewhere
) -> None:
    assert await log_in(authenticator, "anna@example.org", "correct horse") == RefusalReason.BAD_CREDENTIALS
    assert await log_in(authenticator, "anna@example.org", "from elsewhere") == str(elsewhere.account.id)
    found = await log_in(authenticator, "carl@other.net", "carl's password")
    assert found not in {reason.value for reason in RefusalReason}
    assert elsewhere.verified == ["correct horse", "from elsewhere"]


@pytest.mark.usefixtures("chosen")
async def test_a_source_learns_the_client_and_its_proof_is_part_of_the_identity(
    authenticator: Authenticator, elsewhere: Elsewhere
) -> None:
    for _ in range(2):  # the second answer is remembered
        answer = await authenticator.authenticate(
            "anna@example.org", "from elsewhere", client_ip="198.51.100.7", service="imap"
        )
        assert isinstance(answer, Identity)
        assert answer.proof == Proof(ProofKind.PASSWORD, "cn=anna")
    assert elsewhere.clients == [LoginClient("198.51.100.7", "imap")]


@pytest.mark.usefixtures("chosen")
async def test_throttle_and_memory_are_around_every_source(
    authenticator: Authenticator, elsewhere: Elsewhere
) -> None:
    for _ in range(3):
        await log_in(authenticator, "anna@example.org", "from elsewhere")
    assert elsewhere.verified == ["from elsewhere"]
    for number in range(12):
        refused = await log_in(authenticator, "anna@example.org", f"guess {number}")
    assert refused == RefusalReason.TOO_MANY_ATTEMPTS


@pytest.mark.usefixtures("chosen")
async def test_a_source_that_is_unreachable_refuses_for_now_and_counts_no_failure(
    authenticator: Authenticator, elsewhere: Elsewhere
) -> None:
    elsewhere.is_unreachable = True
    for _ in range(20):
        assert await log_in(authenticator, "anna@example.org", "x") == RefusalReason.UNAVAILABLE
    elsewhere.is_unreachable = False
    assert await log_in(authenticator, "anna@example.org", "from elsewhere") == str(elsewhere.account.id)


@pytest.mark.usefixtures("chosen")
async def test_an_empty_password_is_wrong_whatever_the_source_would_say(
    authenticator: Authenticator, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def anybody(entry: LoginEntry | None, password: str, client: LoginClient) -> Proof | None:
        return Proof()

    monkeypatch.setattr(elsewhere, "verify", anybody)
    assert await log_in(authenticator, "anna@example.org", "") == RefusalReason.BAD_CREDENTIALS


async def test_a_source_that_this_version_does_not_have_refuses_for_now(
    store: Store, example: Provisioning, directory: Directory, passwords: Passwords, clock
) -> None:
    await store.collection(DOMAINS).update_one(
        {"_id": "example.org"}, {"$set": {"policy": {"login_source": "radius"}}}
    )
    authenticator = Authenticator(store, directory, passwords, clock=clock)
    answer = await authenticator.authenticate(
        "anna@example.org", "correct horse", client_ip="192.0.2.1", service="test"
    )
    assert answer == Refusal(RefusalReason.UNAVAILABLE)


async def test_accounts_of_all_sources_are_listed_by_address(
    store: Store, example: Provisioning, passwords: Passwords, elsewhere: Elsewhere
) -> None:
    sources = CredentialSources([MongoCredentials(store, passwords), elsewhere])
    found = [str(each.address) for each in await sources.list("acme")]
    assert found == ["anna@example.org", "anna@example.org", "bert@example.org"]
    with pytest.raises(Unavailable, match="no login source radius"):
        sources.named("radius")


class FailingRenewal(Passwords):
    """Verifies passwords and cannot make a new hash."""

    async def hash(self, password: str) -> str:
        raise Unavailable("too many passwords wait to be checked")


async def test_a_hash_that_cannot_be_renewed_does_not_stop_the_login(
    store: Store, example: Provisioning
) -> None:
    source = MongoCredentials(store, FailingRenewal(HashCost(time=2, memory_kib=16)))
    entry = await source.find(ANNA)
    assert entry is not None
    with capture_logs() as lines:
        assert await source.verify(entry, "correct horse", CLIENT)
    assert [(line["event"], line["account"]) for line in lines] == [
        ("login.hash_not_renewed", str(entry.account.id))
    ]
    assert await source.find(ANNA) == entry


async def test_a_renewed_hash_never_replaces_a_password_that_has_changed_meanwhile(
    store: Store, example: Provisioning
) -> None:
    source = MongoCredentials(store, Passwords(HashCost(time=2, memory_kib=16)))
    before = await source.find(ANNA)
    await example.set_password("acme", "anna@example.org", "a new password")
    assert await source.verify(before, "correct horse", CLIENT)  # the check began before the change
    after = await source.find(ANNA)
    assert await source.verify(after, "a new password", CLIENT)
    assert not await source.verify(after, "correct horse", CLIENT)


async def test_the_directory_s_own_source_finds_accounts_and_verifies_their_passwords(
    store: Store, example: Provisioning, passwords: Passwords
) -> None:
    source = MongoCredentials(store, passwords)
    entry = await source.find(Address("ANNA", "example.org"))
    assert entry is not None
    assert entry.account == await example.require_account("acme", ANNA)
    assert entry.secret not in repr(entry)
    assert await source.verify(entry, "correct horse", CLIENT)
    assert not await source.verify(entry, "battery staple", CLIENT)
    for login in (None, Address("nobody", "example.org")):
        assert await source.find(login) is None
    assert not await source.verify(None, "correct horse", CLIENT)


def test_without_a_name_the_default_source_is_meant(
    store: Store, passwords: Passwords, elsewhere: Elsewhere
) -> None:
    own = MongoCredentials(store, passwords)
    sources = CredentialSources([elsewhere, own])
    assert sources.named(None) is own
    assert sources.named("mongodb") is own
    assert sources.named("elsewhere") is elsewhere
