"""Resolves one address from the rows that the store has about it. Pure."""

from collections.abc import Mapping

from mailyard.directory.model import (
    Account,
    Alias,
    Domain,
    Expansion,
    LocalAccount,
    Remote,
    Resolution,
    Unknown,
)
from mailyard.directory.policy import DEFAULT_SEPARATOR
from mailyard.message.address import Address

NO_SUCH_ADDRESS = Unknown("no such address here")
DOMAIN_SUSPENDED = Unknown(
    "the domain takes no mail now", "5.7.1"
)  # RFC 3463, X.7.1: delivery not authorized
ACCOUNT_DISABLED = Unknown("the mailbox is disabled", "5.2.1")  # RFC 3463, X.2.1
ROLES = frozenset({"postmaster", "abuse"})  # RFC 5321, section 4.5.1; RFC 2142, section 2


def is_role(address: Address) -> bool:
    """Return whether every domain must take mail for this local part, in any case."""
    return address.local.lower() in ROLES


def keys_of(address: Address, separator: str = DEFAULT_SEPARATOR) -> tuple[str, ...]:
    """Name the keys under which an address may be found, the closest first: itself, then without detail.

    `separator` is the one of the address's domain; empty: there are no details.
    """
    base, detail = _split(address, separator)
    return (address.key, Address(base, address.domain).key) if detail else (address.key,)


def keys_in(address: Address, domain: Domain) -> tuple[str, ...]:
    """Name the keys under which an address of this domain may be found, those of the other domain for an alias domain."""
    return keys_of(held(address, domain), domain.holder.separator)


def held(address: Address, domain: Domain) -> Address:
    """Return the address that one of this domain stands for: the same in the other domain for an alias domain."""
    return Address(address.local, domain.alias_of) if domain.alias_of else address


def resolution_of(
    address: Address, domain: Domain | None, found: Mapping[str, Account | Alias]
) -> Resolution:
    """Decide: exact address, then the address without its detail, then the domain's catch-all.

    Mail for postmaster and abuse is taken of suspended domains too, and goes to the tenant's contact where the domain
    has no such address; without contact and catch-all the caller finds somebody. An unverified domain is not of this
    installation: somebody else may own it, and mail for it goes there.

    Args:
        address: whom the mail is for.
        domain: its domain, None when it is not of this installation.
        found: accounts and aliases by key, at least those under `keys_in(address, domain)`.

    """
    if domain is None:
        return Remote(address.domain)
    holder = domain.holder
    if not domain.is_verified:
        return Remote(address.domain, is_unverified=True)
    if not domain.takes_mail and not is_role(address):
        return DOMAIN_SUSPENDED
    own = held(address, domain)
    entry = next((found[key] for key in keys_in(address, domain) if key in found), None)
    if isinstance(entry, Alias):
        return Expansion(entry.targets, entry.tenant)
    if entry is not None:
        return _of_account(own, entry, holder.separator)
    if is_role(address) and domain.contact is not None:
        return Expansion((domain.contact,), domain.tenant, is_default=True)
    if holder.catch_all is not None:
        return Expansion((holder.catch_all,), domain.tenant, is_default=is_role(address))
    return NO_SUCH_ADDRESS


def _of_account(address: Address, account: Account, separator: str) -> Resolution:
    if not account.status.takes_mail:
        return ACCOUNT_DISABLED
    detail = "" if address.key == account.address.key else _split(address, separator)[1]
    return LocalAccount(account, account.tenant, account.address, detail)


def _split(address: Address, separator: str) -> tuple[str, str]:
    return address.base_and_detail(separator) if separator else (address.local, "")
