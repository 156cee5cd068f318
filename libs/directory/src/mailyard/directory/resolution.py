"""Resolves one address from the rows that the store has about it. Pure."""

from collections.abc import Mapping

from mailyard.directory.model import (
    Account,
    AccountStatus,
    Alias,
    Domain,
    Expansion,
    LocalAccount,
    Remote,
    Resolution,
    Unknown,
)
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


def keys_of(address: Address) -> tuple[str, ...]:
    """Name the keys under which an address may be found, the closest first: itself, then without detail."""
    base, detail = address.base_and_detail()
    return (address.key, Address(base, address.domain).key) if detail else (address.key,)


def resolution_of(
    address: Address, domain: Domain | None, found: Mapping[str, Account | Alias]
) -> Resolution:
    """Decide: exact address, then the address without its detail, then the domain's catch-all.

    Mail for postmaster and abuse is taken of suspended domains too, and goes to the tenant's contact where the domain
    has no such address; without contact and catch-all the caller finds somebody.

    Args:
        address: whom the mail is for.
        domain: its domain, None when it is not of this installation.
        found: accounts and aliases by key, at least those under `keys_of(address)`.

    """
    if domain is None:
        return Remote(address.domain)
    if domain.is_suspended and not is_role(address):
        return DOMAIN_SUSPENDED
    entry = next((found[key] for key in keys_of(address) if key in found), None)
    if isinstance(entry, Alias):
        return Expansion(entry.targets, entry.tenant)
    if entry is not None:
        return _of_account(address, entry)
    if is_role(address) and domain.contact is not None:
        return Expansion((domain.contact,), domain.tenant, is_default=True)
    if domain.catch_all is not None:
        return Expansion((domain.catch_all,), domain.tenant, is_default=is_role(address))
    return NO_SUCH_ADDRESS


def _of_account(address: Address, account: Account) -> Resolution:
    if account.status is AccountStatus.DISABLED:
        return ACCOUNT_DISABLED
    detail = "" if address.key == account.address.key else address.base_and_detail()[1]
    return LocalAccount(account, account.tenant, account.address, detail)
