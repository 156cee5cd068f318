"""Adds and removes app passwords, and sets which protocols the main password of an account does not open."""

from collections.abc import Collection, Sequence
from datetime import datetime
from ipaddress import ip_network

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.accesslog import AccessLog, Action, Scope, Subject
from mailyard.directory.apppasswords import (
    AppPassword,
    AppPasswords,
    LoginScope,
    digest_of,
    new_secret,
    secret_in,
)
from mailyard.directory.errors import Invalid, NotFound
from mailyard.directory.model import Account
from mailyard.directory.names import mail_address
from mailyard.directory.provisioning import Provisioning
from mailyard.runtime.clock import Clock
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction

MAX_APP_PASSWORDS = 50  # of an account
MAX_NETWORKS = 20  # of an app password
_MAX_NAME = 64  # characters


class AppPasswordChange:
    """Each method raises DirectoryError or Unavailable."""

    def __init__(self, store: Store, directory: Provisioning, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._rows = AppPasswords(store)
        self._log = AccessLog(store)

    async def add(
        self,
        tenant: str,
        address: str,
        name: str,
        scopes: Collection[LoginScope],
        *,
        networks: Sequence[str] = (),
        expires_at: datetime | None = None,
    ) -> tuple[AppPassword, str]:
        """Add an app password to an account; return it with its secret, which nobody can read again."""
        account = await self._directory.require_account(tenant, mail_address(address))
        now = self._clock()
        if not scopes:
            raise Invalid("an app password needs at least one scope: imap, pop3 or smtp")
        if expires_at is not None and expires_at <= now:
            raise Invalid("an app password must expire in the future")
        added = AppPassword(
            ObjectId(),
            tenant,
            account.id,
            _checked_name(name),
            frozenset(scopes),
            now,
            _checked_networks(networks),
            expires_at,
        )
        if len(await self._rows.list(tenant, account.id)) >= MAX_APP_PASSWORDS:
            raise Invalid(f"an account has at most {MAX_APP_PASSWORDS} app passwords: remove one first")
        shown = new_secret()
        secret = secret_in(shown)
        assert secret is not None, "a new secret has the form of one"
        await self._rows.add(added, digest_of(account.id, secret))
        return added, shown

    async def list(self, tenant: str, address: str) -> Sequence[AppPassword]:
        """List the app passwords of an account, by name."""
        account = await self._directory.require_account(tenant, mail_address(address))
        return await self._rows.list(tenant, account.id)

    async def remove(self, tenant: str, address: str, name: str) -> AppPassword:
        """Remove an app password. Its sessions end within seconds; others of the account go on."""
        account = await self._directory.require_account(tenant, mail_address(address))

        async def both(session: AsyncClientSession) -> AppPassword:
            removed = await self._rows.remove(tenant, account.id, name.strip(), session)
            if removed is None:
                raise NotFound(f"the account {account.address} has no app password {name!r}")
            subject = Subject(Scope.APP_PASSWORD, str(removed.id), tenant)
            await self._log.add(subject, Action.REMOVED, self._clock(), session)
            return removed

        return await in_transaction(self._store, both)

    async def set_main_password_off(
        self, tenant: str, address: str, scopes: Collection[LoginScope]
    ) -> Account:
        """Set which protocols an account's main password does not open; its open sessions end within seconds."""
        account = await self._directory.require_account(tenant, mail_address(address))
        subject = Subject(Scope.ACCOUNT, str(account.id), tenant)

        async def both(session: AsyncClientSession) -> None:
            revision = await self._log.add(subject, Action.PASSWORD, self._clock(), session)
            off = sorted(set(scopes)) or None
            if not await self._directory.accounts.set_main_password_off(
                tenant, account.address, off, revision, session
            ):
                raise NotFound(f"the account {account.address} was removed meanwhile")

        await in_transaction(self._store, both)
        return await self._directory.require_account(tenant, account.address)


def _checked_name(name: str) -> str:
    found = name.strip()
    if not found or len(found) > _MAX_NAME or not found.isprintable():
        raise Invalid(f"the name of an app password has 1 to {_MAX_NAME} printable characters")
    return found


def _checked_networks(networks: Sequence[str]) -> tuple[str, ...]:
    if len(networks) > MAX_NETWORKS:
        raise Invalid(f"an app password has at most {MAX_NETWORKS} networks")
    try:
        return tuple(dict.fromkeys(str(ip_network(each.strip(), strict=False)) for each in networks))
    except ValueError as error:
        raise Invalid(f"a network is written as 192.0.2.0/24 or 2001:db8::/32: {error}") from None
