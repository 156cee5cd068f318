"""The one place that says who somebody is: SMTP, IMAP, POP3 and the administration ask here.

An unknown login costs the same query and the same hash as a known one, so time tells nobody which logins exist.
Guessing is slowed by login and by network (`attempts`). A login that was right is remembered for some seconds
under a keyed hash, so a client that opens twenty connections pays for one; neither password nor key is ever written.
"""

import asyncio
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from mailyard.directory.accounts import Accounts, Credentials
from mailyard.directory.attempts import AttemptLimits, Attempts, network_of
from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.directory.directory import Directory
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.model import AccountStatus, LocalAccount
from mailyard.directory.passwords import MAX_OCTETS, Passwords, prepared
from mailyard.message.address import Address, AddressError
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram
from mailyard.store.client import Store

_LOGINS = counter("mailyard_login_attempts_total")
_VERIFY_SECONDS = histogram("mailyard_login_verify_seconds")
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How fast one may guess, and how long a right password is remembered."""

    login: AttemptLimits = field(default_factory=lambda: AttemptLimits(free=50))
    login_from_network: AttemptLimits = field(default_factory=lambda: AttemptLimits(free=8))
    network: AttemptLimits = field(default_factory=lambda: AttemptLimits(free=40))
    remember_seconds: float = 30.0


class Authenticator:
    """Checks logins against the accounts of the directory."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        passwords: Passwords,
        limits: LoginLimits | None = None,
        *,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Count and remember in this process alone; `clock` gives seconds and never goes back."""
        limits = limits or LoginLimits()
        self._accounts = Accounts(store)
        self._directory = directory
        self._passwords = passwords
        self._clock = clock
        self._by_login = Attempts(limits.login)
        self._by_both = Attempts(limits.login_from_network)
        self._by_network = Attempts(limits.network)
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
            client_ip: where the client stands; its network is what guessing is counted by.
            service: who asks, for the log.

        """
        try:
            answer = await self._answer(login, password, network_of(client_ip))
        except Unavailable as error:
            self._log.warning("login.unavailable", login_service=service, error=str(error))
            answer = Refusal(RefusalReason.UNAVAILABLE)
        self._report(answer, login, client_ip, service)
        return answer

    async def may_send_as(self, identity: Identity, address: Address) -> bool:
        """Tell whether mail from `address` is this account's to send.

        It is when the address is the account's own, or an alias that reaches it, in a domain of its own tenant.

        Raises:
            Unavailable: the store is away.

        """
        domain = await self._directory.domain(address.domain)
        if domain is None or domain.tenant != identity.tenant:
            return False
        return any(
            isinstance(destination.resolution, LocalAccount)
            and str(destination.resolution.account.id) == identity.account
            for destination in await self._directory.expand(address)
        )

    async def _answer(self, login: str, password: str, network: str) -> Identity | Refusal:
        address = _address_of(login)
        name = address.key if address else login.lower()[:MAX_OCTETS]
        if wait := self._by_network.wait_seconds(network, self._clock()):
            return Refusal(RefusalReason.TOO_MANY_ATTEMPTS, wait)
        mark = self._mark(name, password)
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with (
            turn
        ):  # one guess at a time for each login, and equal ones wait for the first to be remembered
            if identity := self._remembered.get(mark):
                return identity
            if wait := self._wait_seconds(name, network):
                return Refusal(RefusalReason.TOO_MANY_ATTEMPTS, wait)
            answer = await self._check(address, password)
            if isinstance(answer, Identity):
                self._remembered.put(mark, answer, self._remember_seconds)
            elif answer.reason is RefusalReason.BAD_CREDENTIALS:
                self._count_failure(name, network)
            return answer

    async def _check(self, login: Address | None, password: str) -> Identity | Refusal:
        known = await self._accounts.entry_by_login(login or _NOBODY)
        fits = len(password) <= MAX_OCTETS
        with _VERIFY_SECONDS.time():
            right = await self._passwords.verify(
                known.password if known else self._passwords.of_nobody, password if fits else ""
            )
        if not (known and right and fits):
            return Refusal(RefusalReason.BAD_CREDENTIALS)
        if known.account.status is not AccountStatus.ACTIVE:
            return Refusal(RefusalReason.ACCOUNT_DISABLED)
        await self._renew_weak_hash(known, password)
        return Identity(str(known.account.id), known.account.tenant, known.account.address)

    async def _renew_weak_hash(self, known: Credentials, password: str) -> None:
        """The password is only known now, so now is the time to make an old hash as strong as new ones."""
        if not self._passwords.is_weak(known.password):
            return
        account = known.account
        try:
            renewed = await self._passwords.hash(password)
            await self._accounts.renew_hash(account.tenant, account.id, known.password, renewed)
        except Unavailable as error:  # the login stands; the next one tries again
            self._log.warning("login.hash_not_renewed", account=str(account.id), error=str(error))

    def _wait_seconds(self, name: str, network: str) -> float:
        now = self._clock()
        return max(
            self._by_login.wait_seconds(name, now),
            self._by_both.wait_seconds(f"{name} {network}", now),
            self._by_network.wait_seconds(network, now),
        )

    def _count_failure(self, name: str, network: str) -> None:
        now = self._clock()
        self._by_login.failed(name, now)
        self._by_both.failed(f"{name} {network}", now)
        self._by_network.failed(network, now)

    def _mark(self, name: str, password: str) -> bytes:
        """Name a pair of login and password so that nobody can tell or try the password without our key."""
        octets = (
            len(name).to_bytes(4, "big")
            + name.encode("utf-8", "surrogatepass")
            + prepared(password[: MAX_OCTETS + 1])
        )
        return hashlib.blake2b(octets, key=self._key, digest_size=32).digest()

    def _report(self, answer: Identity | Refusal, login: str, client_ip: str, service: str) -> None:
        if isinstance(answer, Identity):
            _LOGINS.labels(service, "accepted").inc()
            self._log.info(
                "login.accepted",
                account=answer.account,
                tenant=answer.tenant,
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


_NOBODY = Address("nobody", "invalid")  # RFC 6761, section 6.4: no account can have it


def _address_of(login: str) -> Address | None:
    try:
        return Address.parse(login)
    except AddressError:
        return None


def _shown(login: str) -> str:
    """Only what looks like an address is logged: people type passwords into the wrong field."""
    address = _address_of(login)
    return str(address) if address else "(no address)"
