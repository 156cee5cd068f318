"""Adds and removes grants to send as an address or on behalf of it."""

from collections.abc import Sequence

from mailyard.directory.directory import Directory
from mailyard.directory.errors import Invalid, NotFound
from mailyard.directory.grants import MAX_GRANTS, Grant, GrantKind, Grants
from mailyard.directory.model import Unknown
from mailyard.directory.names import mail_address
from mailyard.directory.provisioning import Provisioning
from mailyard.runtime.clock import Clock
from mailyard.store.client import Store


class GrantChange:
    """Each method raises DirectoryError or Unavailable. A change is in force within seconds."""

    def __init__(self, store: Store, directory: Provisioning, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._addresses = Directory(store)
        self._grants = Grants(store)

    async def add(self, tenant: str, account: str, address: str, kind: GrantKind) -> Grant:
        """Let an account use an address of its tenant, which is an account's or an alias."""
        grantee = await self._directory.require_account(tenant, mail_address(account))
        granted = mail_address(address)
        await self._directory.require_domain(tenant, granted.domain)
        if granted.base_and_detail()[1]:
            raise Invalid(f"{granted} has a plus sign: a grant is for the address before it")
        if isinstance(await self._addresses.resolve(granted, afresh=True), Unknown):
            raise NotFound(f"the tenant {tenant} has no address {granted}")
        if granted.key == grantee.address.key:
            raise Invalid(f"{granted} is the account's own address: it needs no grant")
        held = await self._grants.of_account(tenant, grantee.id)
        if len(held) >= MAX_GRANTS and granted.key not in {each.address.key for each in held}:
            raise Invalid(
                f"an account has at most {MAX_GRANTS} grants: grant an alias with many targets instead"
            )
        grant = Grant(tenant, grantee.id, granted, kind)
        await self._grants.put(grant, self._clock())
        return grant

    async def list(self, tenant: str, account: str) -> Sequence[Grant]:
        """List the grants of an account, by address."""
        grantee = await self._directory.require_account(tenant, mail_address(account))
        return await self._grants.of_account(tenant, grantee.id)

    async def remove(self, tenant: str, account: str, address: str) -> Grant:
        """Remove a grant, and return what it was."""
        grantee = await self._directory.require_account(tenant, mail_address(account))
        granted = mail_address(address)
        held = {each.address.key: each for each in await self._grants.of_account(tenant, grantee.id)}
        if granted.key not in held or not await self._grants.remove(tenant, grantee.id, granted):
            raise NotFound(f"the account {grantee.address} has no grant for {granted}")
        return held[granted.key]
