"""Refuses aliases and catch-alls that lead nowhere or back to themselves, before they are made.

At RCPT such an address is refused too (`Directory.resolve`): an alias that was valid when it was added may break later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mailyard.directory.addresses import Addresses
from mailyard.directory.cache import CacheLimits
from mailyard.directory.directory import Directory
from mailyard.directory.domains import Domains
from mailyard.directory.errors import Invalid
from mailyard.directory.expansion import MAX_DEPTH, MAX_DESTINATIONS
from mailyard.directory.model import DomainStatus, Expansion, Resolution, TenantStatus, Unknown
from mailyard.directory.resolution import DOMAIN_SUSPENDED, NO_SUCH_ADDRESS, keys_of, resolution_of
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
            resolution = (await self._steps([address]))[address]
        if isinstance(resolution, Unknown):
            raise Invalid(f"{address} takes no mail: {resolution.reason}")

    async def stored(self, targets: Sequence[Address]) -> tuple[Address, ...]:
        """Return targets as an alias keeps them: those in local domains in lookup form, by which they are found."""
        domains = await self._domains.entry_by_names({target.domain for target in targets})
        return tuple(
            Address(target.key.rpartition("@")[0], target.domain) if target.domain in domains else target
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
                step = steps[address]
                if alias in keys_of(address) or (domain == address.domain and step == NO_SUCH_ADDRESS):
                    raise Invalid(f"alias loop: {' -> '.join((*way, name) if str(address) != name else way)}")
                if isinstance(step, Expansion):
                    following += [(target, way) for target in step.targets]
            level = following
            if not level:
                return
        raise Invalid(f"{name} would lead through more than {MAX_DEPTH} levels of aliases")

    async def _steps(
        self, addresses: Sequence[Address], without_catch_all: str = ""
    ) -> Mapping[Address, Resolution]:
        """Take one step from each address, as if no domain were suspended."""
        found_domains = await self._domains.entry_by_names({address.domain for address in addresses})
        domains = {
            name: replace(domain, status=DomainStatus.ACTIVE, tenant_status=TenantStatus.ACTIVE)
            for name, domain in found_domains.items()
        }
        if without_catch_all in domains:
            domains[without_catch_all] = replace(domains[without_catch_all], catch_all=None)
        found = await self._addresses.entry_by_keys(
            {key for address in addresses if address.domain in domains for key in keys_of(address)}
        )
        return {address: resolution_of(address, domains.get(address.domain), found) for address in addresses}
