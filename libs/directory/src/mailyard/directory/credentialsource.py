"""Sources of credentials: where an account is looked up and its password is verified.

A domain's policy names its source (`login_source`). The throttle, the cache and the end of sessions are around all of
them (`authentication`). A further source, such as LDAP, is one class here and its name in `policy.LOGIN_SOURCES`.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from mailyard.directory.accounts import Accounts
from mailyard.directory.identity import LoginClient, Proof
from mailyard.directory.model import Account, LoginEntry
from mailyard.directory.passwords import Passwords
from mailyard.directory.policy import DEFAULT_LOGIN_SOURCE
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.store.client import Store

_NOBODY = Address("nobody", "invalid")  # RFC 6761, section 6.4: no account can have it
_log = get_logger(__name__)


class CredentialSource(Protocol):
    """Each method raises Unavailable when the source cannot answer; a wrong login or password is a value."""

    @property
    def name(self) -> str:
        """The name in policies."""

    async def find(self, login: Address | None) -> LoginEntry | None:
        """Look a login up; None (of an unknown login, or of no address) takes as long as an entry."""

    async def verify(self, entry: LoginEntry | None, password: str, client: LoginClient) -> Proof | None:
        """Return what a password proves for a client, None: nothing; without an entry, None takes as long."""

    async def list(self, tenant: str) -> Sequence[Account]:
        """List the accounts of a tenant, by address."""


class MongoCredentials:
    """The accounts of the directory itself."""

    name = DEFAULT_LOGIN_SOURCE

    def __init__(self, store: Store, passwords: Passwords) -> None:
        self._accounts = Accounts(store)
        self._passwords = passwords

    async def find(self, login: Address | None) -> LoginEntry | None:
        """Look a login up with one query. Raises Unavailable."""
        return await self._accounts.entry_by_login(login or _NOBODY)

    async def verify(self, entry: LoginEntry | None, password: str, client: LoginClient) -> Proof | None:
        """Verify a password with one hash, and renew a weak hash of a right one. Raises Unavailable."""
        _ = client
        hashed = self._passwords.of_nobody if entry is None else entry.secret
        right = await self._passwords.verify(hashed, password)
        if not right or entry is None:
            return None
        await self._renew_weak_hash(entry, password)
        return Proof()

    async def list(self, tenant: str) -> Sequence[Account]:
        """List the accounts of a tenant, by address. Raises Unavailable."""
        return await self._accounts.list(tenant)

    async def _renew_weak_hash(self, entry: LoginEntry, password: str) -> None:
        """The password is only known now, so now is the time to make an old hash as strong as new ones."""
        if not self._passwords.is_weak(entry.secret):
            return
        account = entry.account
        try:
            renewed = await self._passwords.hash(password)
            await self._accounts.renew_hash(account.tenant, account.id, entry.secret, renewed)
        except Unavailable as error:  # the login stands; the next one tries again
            _log.warning("login.hash_not_renewed", account=str(account.id), error=str(error))


class CredentialSources:
    """All sources, by name."""

    def __init__(self, sources: Iterable[CredentialSource]) -> None:
        self._sources = {source.name: source for source in sources}

    def named(self, name: str | None) -> CredentialSource:
        """Return a source, None: the default one. Raises Unavailable: this version has no such source."""
        found = self._sources.get(name or DEFAULT_LOGIN_SOURCE)
        if found is None:
            raise Unavailable(f"this version has no login source {name}")
        return found

    async def list(self, tenant: str) -> Sequence[Account]:
        """List the accounts of a tenant in all sources, by address. Raises Unavailable."""
        found = [account for source in self._sources.values() for account in await source.list(tenant)]
        return found if len(self._sources) == 1 else sorted(found, key=lambda account: account.address.key)
