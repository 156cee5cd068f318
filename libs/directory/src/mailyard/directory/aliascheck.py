"""Refuses aliases and catch-alls that lead nowhere or back to themselves, before they are made.

At RCPT such an address is refused too (`Directory.resolve`): an alias that was valid when it was added may break later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mailyard.directory.addresses import Addresses
from mailyard.directory.cache import CacheLimits
from mailyard.directory.directory import Directory
from mailyard.directory.domains import Domains
from mailyard.directory.errors import Invalid
from mailyard.directory.expansion import MAX_DEPTH, MAX_DESTINATIONS
from mailyard.directory.model import Domain, DomainStatus, Expansion, Resolution, TenantStatus, Unknown
from mailyard.directory.resolution import (
    DOMAIN_SUSPENDED,
    NO_SUCH_ADDRESS,
    keys_in,
    keys_of,
    resolution_of,
)
from mailyard.message.address import Address
from mailyard.store.client import Store


class AliasCheck:
    """Follows the targets of a new alias or catch-all as if it were there already. Each method raises Unavailable."""

    def __init__(self, store: Store) -> None:
        self._directory = Directory(store, CacheLimits(positive_seconds=0, negative_seconds=0))
        self._domains = Domains(store)
        self._addresses = Addresses(store)

    async def alias(self, alias: Address, targets: Sequence[Address]) -> None:
        """Check an alias. Raises Invalid, with the path of a loop or the target that takes no mail."""
        await self._follow(str(alias), alias.key, "", targets)
        for target in targets:
            await self.target(target)

    async def catch_all(self, domain: str, target: Address) -> None:
        """Check a catch-all. Raises Invalid."""
        await self._follow(f"*@{domain}", "", domain, (target,))
        await self.target(target)

    async def target(self, address: Address) -> None:
        """Check that an address takes mail, or will when its domain is resumed. Raises Invalid."""
        resolution = await self._directory.resolve(address)
        if resolution == DOMAIN_SUSPENDED:
            resolution = (await self._steps([address])).resolutions[address]
        if isinstance(resolution, Unknown):
            raise Invalid(f"{address} takes no mail: {resolution.reason}")

    async def stored(self, targets: Sequence[Address]) -> tuple[Address, ...]:
        """Return targets as an alias keeps them: those in local domains in lookup form, by which they are found.

        An address of an alias domain becomes that of the domain which holds it.
        """
        domains = await self._domains.entry_by_names({target.domain for target in targets})
        return tuple(
            Address(target.key.rpartition("@")[0], domains[target.domain].holder.name)
            if target.domain in domains
            else target
            for target in targets
        )

    async def of_others(self, tenant: str, targets: Sequence[Address]) -> list[tuple[Address, str]]:
        """Name the targets that belong to other tenants, each with its tenant."""
        domains = await self._domains.entry_by_names({target.domain for target in targets})
        owners = [(target, domains[target.domain].tenant) for target in targets if target.domain in domains]
        return [(target, owner) for target, owner in owners if owner != tenant]

    async def _follow(self, name: str, alias: str, domain: str, targets: Sequence[Address]) -> None:
        """Look for a way back to the start, breadth-first: to an alias by its key, or to the catch-all of a domain."""
        paths: dict[str, tuple[str, ...]] = {}
        level: list[tuple[Address, tuple[str, ...]]] = [(target, (name,)) for target in targets]
        for _ in range(MAX_DEPTH + 1):
            level = [(each, path) for each, path in level if each.key not in paths]
            paths |= {each.key: path for each, path in level}
            if len(paths) > MAX_DESTINATIONS:
                raise Invalid(f"{name} would lead to more than {MAX_DESTINATIONS} addresses")
            steps = await self._steps([each for each, _ in level], domain)
            following: list[tuple[Address, tuple[str, ...]]] = []
            for address, path in level:
                way = (*path, str(address))
                step = steps.resolutions[address]
                if alias in steps.keys[address] or (
                    domain == steps.holders.get(address) and step == NO_SUCH_ADDRESS
                ):
                    raise Invalid(f"alias loop: {' -> '.join((*way, name) if str(address) != name else way)}")
                if isinstance(step, Expansion):
                    following += [(target, way) for target in step.targets]
            level = following
            if not level:
                return
        raise Invalid(f"{name} would lead through more than {MAX_DEPTH} levels of aliases")

    async def _steps(self, addresses: Sequence[Address], without_catch_all: str = "") -> "_Steps":
        """Take one step from each address, as if no domain were suspended."""
        names = {address.domain for address in addresses}
        domains = {
            name: _resumed(domain, without_catch_all)
            for name, domain in (await self._domains.entry_by_names(names)).items()
        }
        keys = {
            address: keys_in(address, domains[address.domain])
            if address.domain in domains
            else keys_of(address)
            for address in addresses
        }
        found = await self._addresses.entry_by_keys(
            {key for address in addresses if address.domain in domains for key in keys[address]}
        )
        return _Steps(
            {each: resolution_of(each, domains.get(each.domain), found) for each in addresses},
            keys,
            {each: domains[each.domain].holder.name for each in addresses if each.domain in domains},
        )


@dataclass(frozen=True, slots=True)
class _Steps:
    """By address: one step, the keys that it is found under, and the local domain that holds it."""

    resolutions: Mapping[Address, Resolution]
    keys: Mapping[Address, tuple[str, ...]]
    holders: Mapping[Address, str]


def _resumed(domain: Domain, without_catch_all: str) -> Domain:
    """Return a domain as if nothing were suspended, and as if one domain had no catch-all."""
    target = _resumed(domain.target, without_catch_all) if domain.target else None
    status = DomainStatus.UNVERIFIED if domain.status is DomainStatus.UNVERIFIED else DomainStatus.ACTIVE
    catch_all = None if domain.name == without_catch_all else domain.catch_all
    return replace(
        domain, status=status, tenant_status=TenantStatus.ACTIVE, catch_all=catch_all, target=target
    )
