"""Authenticates logins for SMTP, IMAP and the administration.

An unknown login costs the same query and the same hash as a known one, so the time of an answer does not show which logins exist.
A login that was right is remembered for some seconds under a keyed hash, so a client that opens twenty connections
pays for one; neither password nor key is ever written. A withdrawal of access ends the memory (`accesswatch`).

Guessing is slowed by failures of all processes (`throttle`).
"""

import asyncio
import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from weakref import WeakValueDictionary

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.apppasswordlogins import AppPasswordLogins
from mailyard.directory.apppasswords import is_in_networks, scope_of
from mailyard.directory.attempts import ClientNetwork, client_of
from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.directory.credentialsource import CredentialSource, CredentialSources, MongoCredentials
from mailyard.directory.directory import Directory
from mailyard.directory.domains import Domains
from mailyard.directory.grants import GrantKind, KnownGrants
from mailyard.directory.identity import Identity, LoginClient, Proof, ProofKind, Refusal, RefusalReason
from mailyard.directory.loginlog.recorder import LoginRecorder, Owner
from mailyard.directory.loginlog.sums import ACCEPTED
from mailyard.directory.model import Account, Expansion, LocalAccount, LoginEntry
from mailyard.directory.passwords import MAX_OCTETS, Passwords, prepared
from mailyard.directory.throttle.exchange import LoginExchange
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.directory.throttle.throttle import LoginThrottle, shared_name
from mailyard.message.address import Address, AddressError
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram
from mailyard.store.client import Store

_LOGINS = counter("mailyard_login_attempts_total")
_VERIFY_SECONDS = histogram("mailyard_login_verify_seconds")
_REMEMBERED = 10_000
_OWNER_SECONDS = 3_600.0
HASHES_OF_ADDRESS = 100  # half of those that may wait (`Passwords`): one client leaves room for others


class Authenticator:
    """Checks logins against the accounts of the directory."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        passwords: Passwords,
        limits: LoginLimits | None = None,
        *,
        sources: Sequence[CredentialSource] = (),
        access: AccessWatch | None = None,
        recorder: LoginRecorder | None = None,
        clock: Monotonic = time.monotonic,
        now: Clock = now_utc,
    ) -> None:
        """Remember in this process, and count failures with all others; `clock` gives seconds and never goes back.

        `exchange.exchange` is work for `Periodic`. `access` must be polled by whoever keeps sessions open or logs
        people in for longer than a moment. `sources`: those of credentials beside the directory's own accounts.
        `recorder` writes the login log of accounts.
        """
        limits = limits or LoginLimits()
        self._sources = CredentialSources([MongoCredentials(store, passwords), *sources])
        self._domains = Domains(store)
        self._grants = KnownGrants(store, clock=clock)
        self.app_passwords = AppPasswordLogins(store, now)  # whose uses somebody must write
        self._now = now
        self._directory = directory
        self._clock = clock
        self._access = access or AccessWatch(store, clock=clock)
        self._throttle = LoginThrottle(limits, clock)
        self.exchange = LoginExchange(store, self._throttle, clock=clock)
        self._recorder = recorder
        self._owners: TtlCache[str, Owner] = TtlCache(
            _REMEMBERED, clock
        )  # by login, for refusals without a check
        self._hashing: Counter[str] = Counter()  # by address
        self._remember_seconds = limits.remember_seconds
        self._remembered: TtlCache[bytes, Identity] = TtlCache(_REMEMBERED, clock)
        self._key = secrets.token_bytes(32)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._log = get_logger(__name__)

    async def authenticate(
        self, login: str, password: str, *, client_ip: str, service: str
    ) -> Identity | Refusal:
        """Check a login name and its password; every outcome is logged and counted.

        Args:
            login: an account's address, in any case.
            password: as the client sent it.
            client_ip: the address of the client; guesses are counted by it and by its network.
            service: the service that asks, for the log.

        """
        try:
            answer = await self._answer(login, password, LoginClient(client_ip, service))
        except Unavailable as error:
            self._log.warning("login.unavailable", login_service=service, error=str(error))
            answer = Refusal(RefusalReason.UNAVAILABLE)
        if isinstance(answer, Identity):
            self.app_passwords.note_use(answer, LoginClient(client_ip, service))
        self._report(answer, login, client_ip, service)
        return answer

    async def send_right(self, identity: Identity, address: Address) -> GrantKind | None:
        """Return how an account may use an address of its tenant in mail that it sends, None: not at all.

        An address of its own, and an alias that reaches it, count like a grant to send as the address.

        Raises:
            Unavailable: the store is unreachable.

        """
        if await self.may_send_as(identity, address):
            return GrantKind.SEND_AS
        granted = (await self._grants.of(identity.tenant, identity.account)).get(address.key)
        domain = await self._directory.domain(address.domain) if granted is not None else None
        return (
            granted
            if domain is not None and domain.tenant == identity.tenant and domain.is_verified
            else None
        )

    async def may_send_as(self, identity: Identity, address: Address) -> bool:
        """Return whether `address` belongs to an account.

        It is when the address is the account's own, or an alias that reaches it, in a domain of its own tenant.
        Receiving mail for postmaster@ or abuse@ by default gives no right to send as them.

        Raises:
            Unavailable: the store is unreachable.

        """
        domain = await self._directory.domain(address.domain)
        if domain is None or domain.tenant != identity.tenant or not domain.is_verified:
            return False
        resolution = await self._directory.resolve(address)
        if isinstance(resolution, Expansion) and resolution.is_default:
            return False
        return any(
            isinstance(destination.resolution, LocalAccount)
            and str(destination.resolution.account.id) == identity.account
            for destination in await self._directory.expand(address)
        )

    async def _answer(self, login: str, password: str, asking: LoginClient) -> Identity | Refusal:
        client = client_of(asking.address)
        address = _address_of(login)
        name = shared_name(address, login)
        mark = self._mark(name, password, asking.service)
        known = self._answer_without_check(mark, name, client, asking)
        if isinstance(known, Refusal):  # unless another process has seen a login from this network
            await self.exchange.recall(name, client)
            known = self._answer_without_check(mark, name, client, asking)
        if known:
            return known
        # One guess at a time for each login, and equal ones wait for the first to be remembered.
        async with self._turns.setdefault(name, asyncio.Lock()):
            if known := self._answer_without_check(mark, name, client, asking):
                return known
            answer = await self._check_for(client, address, password, asking)
            if isinstance(answer, Identity):
                self._throttle.succeeded(name, client, answer)
                self._remembered.put(mark, answer, self._seconds_to_remember(answer.proof))
            elif answer.reason is RefusalReason.BAD_CREDENTIALS:
                self._throttle.failed(name, client)
            return answer

    def _answer_without_check(
        self, mark: bytes, name: str, client: ClientNetwork, asking: LoginClient
    ) -> Identity | Refusal | None:
        """Return a remembered identity, or the refusal of a login that must wait; None: check the password."""
        identity = self._remembered.get(mark)
        if identity is not None and self._access.has_ended(identity):
            self._remembered.forget(mark)
        elif identity is not None and is_in_networks(asking.address, identity.proof.networks):
            return identity
        wait = self._throttle.wait_seconds(name, client)
        return Refusal(RefusalReason.TOO_MANY_ATTEMPTS, wait) if wait else None

    async def _check_for(
        self, client: ClientNetwork, login: Address | None, password: str, asking: LoginClient
    ) -> Identity | Refusal:
        """Check a login, unless this client has so many in hand that others would wait for them."""
        if self._hashing[client.address] >= HASHES_OF_ADDRESS:
            return Refusal(RefusalReason.TOO_MANY_ATTEMPTS, 1.0)
        self._hashing[client.address] += 1
        try:
            return await self._check(login, password, asking)
        finally:
            self._hashing[client.address] -= 1
            if not self._hashing[client.address]:
                del self._hashing[client.address]

    async def _check(self, login: Address | None, password: str, asking: LoginClient) -> Identity | Refusal:
        revision = self._access.revision
        source = await self._source_of(login)
        known = await source.find(login)
        if known and login is not None:
            account = known.account
            owner = Owner(str(account.id), account.tenant, account.address.domain)
            self._owners.put(login.key, owner, _OWNER_SECONDS)
        fits = 0 < len(password) <= MAX_OCTETS  # no source is asked whether an empty password is right
        with _VERIFY_SECONDS.time():
            proof = await self._proof_of(source, known if fits else None, password if fits else "", asking)
        if not (known and proof and fits):
            return Refusal(RefusalReason.BAD_CREDENTIALS)
        account = known.account
        if not await self._may_log_in(account):
            return Refusal(RefusalReason.ACCOUNT_DISABLED)
        revision = max(revision, known.revision)
        identity = Identity(str(account.id), account.tenant, account.address, revision, proof)
        if self._access.has_ended(identity):  # changed while the hash was made
            return Refusal(RefusalReason.UNAVAILABLE)
        return identity

    async def _proof_of(
        self, source: CredentialSource, entry: LoginEntry | None, password: str, client: LoginClient
    ) -> Proof | None:
        """Return what an app password proves, else what the main password does where it is valid."""
        proof = await self.app_passwords.verify(entry, password, client)
        if proof is None:
            proof = await source.verify(entry, password, client)
        if proof is None or entry is None or proof.kind is not ProofKind.PASSWORD:
            return proof
        policy = await self._directory.policies.of_domain(entry.account.address.domain)
        if scope_of(client.service) not in {*entry.main_password_off, *(policy.main_password_off or ())}:
            return proof
        self._log.info(
            "login.main_password_off",
            account=str(entry.account.id),
            tenant=entry.account.tenant,
            client_ip=client.address,
            login_service=client.service,
        )
        return None

    def _seconds_to_remember(self, proof: Proof) -> float:
        if proof.until is None:
            return self._remember_seconds
        return min(self._remember_seconds, (proof.until - self._now()).total_seconds())

    async def _source_of(self, login: Address | None) -> CredentialSource:
        """Return the source that the domain's policy names."""
        policy = await self._directory.policies.of_domain(login.domain) if login is not None else None
        return self._sources.named(policy.login_source if policy is not None else None)

    async def _may_log_in(self, account: Account) -> bool:
        """Account, domain and tenant are active, by the store and not by the cache.

        A cached domain may be older than the access change whose revision the login gets: nothing would end its session.
        """
        if not account.status.may_log_in:
            return False
        name = account.address.domain
        domain = (await self._domains.entry_by_names([name])).get(name)
        return domain is not None and domain.tenant == account.tenant and domain.may_log_in

    def _mark(self, name: str, password: str, service: str) -> bytes:
        """Return a keyed hash of login, password and service: without the key the password cannot be guessed from it."""
        octets = (
            len(name).to_bytes(4, "big")
            + name.encode("utf-8", "surrogatepass")
            + len(service).to_bytes(4, "big")
            + service.encode()
            + prepared(password[: MAX_OCTETS + 1])
        )
        return hashlib.blake2b(octets, key=self._key, digest_size=32).digest()

    def _record(self, answer: Identity | Refusal, login: str, client_ip: str, service: str) -> None:
        """Add to the login log of the account, if there is one and the answer says something about the login."""
        if self._recorder is None:
            return
        if isinstance(answer, Identity):
            owner: Owner | None = Owner(answer.account, answer.tenant, answer.address.domain)
            proof, result = answer.proof, ACCEPTED
        elif answer.reason is RefusalReason.UNAVAILABLE or (address := _address_of(login)) is None:
            return
        else:
            owner, proof, result = self._owners.get(address.key), None, answer.reason.value
        if owner is not None:
            self._recorder.note(owner, service=service, client=client_ip, proof=proof, result=result)

    def _report(self, answer: Identity | Refusal, login: str, client_ip: str, service: str) -> None:
        self._record(answer, login, client_ip, service)
        if isinstance(answer, Identity):
            _LOGINS.labels(service, "accepted").inc()
            self._log.info(
                "login.accepted",
                account=answer.account,
                tenant=answer.tenant,
                proof=answer.proof.kind.value,
                app_password=answer.proof.name,
                client_ip=client_ip,
                login_service=service,
            )
            return
        _LOGINS.labels(service, answer.reason.value).inc()
        self._log.info(
            "login.refused",
            reason=answer.reason.value,
            login=_shown(login),
            client_ip=client_ip,
            login_service=service,
        )


def _address_of(login: str) -> Address | None:
    try:
        return Address.parse(login)
    except AddressError:
        return None


def _shown(login: str) -> str:
    """Return the login for the log, only if it is an address: people type passwords into the wrong field."""
    address = _address_of(login)
    return str(address) if address else "(no address)"
