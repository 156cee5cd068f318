"""One run of the command: settings, connections, work, and the exit status of failures."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer
from pymongo.errors import OperationFailure

from mailyard.broker.connection import Broker
from mailyard.cli.configuration import BadConfiguration, configuration
from mailyard.cli.ending import MISCONFIGURED, REFUSED, UNAVAILABLE, fail
from mailyard.cli.indexes import ensure_all
from mailyard.directory.credentialsource import CredentialSources, MongoCredentials
from mailyard.directory.errors import DirectoryError, NotFound
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.policychange import PolicyChange
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.removal import Removal
from mailyard.directory.settings import postmaster_of
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.runtime.logs import configure_logs
from mailyard.runtime.settings import CommonSettings
from mailyard.store.client import Store

_SERVER_TIMEOUT_MS = 5_000

T = TypeVar("T")


class Refused(Exception):
    """The command cannot do its work; the text has the reason."""


@dataclass(frozen=True, slots=True)
class Session:
    """Settings, connections and services of one run."""

    settings: CommonSettings
    store: Store
    directory: Provisioning
    suspension: Suspension
    removal: Removal
    policies: PolicyChange
    logins: CredentialSources

    @property
    def postmaster(self) -> Address | None:
        """The installation's postmaster as this command's environment knows it. Raises Misconfigured."""
        return postmaster_of(self.settings)

    async def prepared(self) -> Provisioning:
        """Return the directory for a change, with all indexes of the store: the first command may meet an empty database."""
        await ensure_all(self.store)
        return self.directory

    async def owner_of(self, address: Address, tenant: str | None) -> str:
        """Return the given tenant, else the tenant that owns the address's domain. Raises NotFound."""
        if tenant is not None:
            return tenant
        found = await self.directory.domains.entry_by_names([address.domain])
        if not found:
            raise NotFound(f"no tenant has a domain {address.domain}")
        return found[address.domain].tenant

    async def tenants(self, tenant: str | None) -> list[str]:
        """Return the given tenant, or all tenants. Raises NotFound."""
        if tenant is not None:
            return [(await self.directory.require_tenant(tenant)).id]
        return [each.id for each in await self.directory.tenants.list()]

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """Connect to RabbitMQ. Raises Unavailable."""
        broker = Broker(self.settings.amqp_url.get_secret_value(), "mailyard-cli", required=False)
        try:
            await broker.start()
            if reason := broker.down():
                raise Unavailable(f"RabbitMQ is unreachable: {reason}")
            yield broker
        finally:
            await broker.close()


def perform(
    context: typer.Context,
    work: Callable[[Session], Awaitable[T]],
    *,
    ready: Callable[[Store], Awaitable[None]] = Store.ping,
) -> T:
    """Do `work` with an open session, once `ready` returns; end the command with a message and a status when it fails."""
    configure_logs("cli", "error", "console", stream=sys.stderr)
    try:
        return asyncio.run(with_session(context.obj, work, ready))
    except (DirectoryError, Refused) as error:
        fail(str(error), REFUSED)
    except Unavailable as error:
        fail(str(error), UNAVAILABLE)
    except (BadConfiguration, Misconfigured) as error:
        fail(str(error), MISCONFIGURED)
    except OperationFailure as error:
        fail(f"MongoDB refuses the operation: {error}", UNAVAILABLE)


async def with_session(
    config: Path | None,
    work: Callable[[Session], Awaitable[T]],
    ready: Callable[[Store], Awaitable[None]] = Store.ping,
) -> T:
    """Do `work` with an open session. Raises Unavailable, BadConfiguration, Misconfigured, and what `work` raises."""
    settings = configuration(config)
    store = Store(
        settings.mongo_url.get_secret_value(), settings.mongo_database, timeout_ms=_SERVER_TIMEOUT_MS
    )
    passwords = Passwords(HashCost())
    try:
        await ready(store)
        directory = Provisioning(store, passwords, now_utc)
        suspension = Suspension(store, directory, now_utc)
        removal = Removal(store, directory, suspension, now_utc)
        policies = PolicyChange(store, directory)
        logins = CredentialSources([MongoCredentials(store, passwords)])
        return await work(Session(settings, store, directory, suspension, removal, policies, logins))
    finally:
        passwords.close()
        await store.close()
