"""What becomes of one address, decided from the rows that the store has about it. Pure."""

from collections.abc import Mapping

from mailyard.directory.model import (
    Account,
    AccountStatus,
    Alias,
    Domain,
    DomainStatus,
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


def keys_of(address: Address) -> tuple[str, ...]:
    """Name the keys under which an address may be found, the closest first: itself, then without detail."""
    base, detail = address.base_and_detail()
    return (address.key, Address(base, address.domain).key) if detail else (address.key,)


def resolution_of(
    address: Address, domain: Domain | None, found: Mapping[str, Account | Alias]
) -> Resolution:
    """Decide: exact address, then the address without its detail, then the domain's catch-all.

    Args:
        address: whom the mail is for.
        domain: its domain, None when it is not ours.
        found: accounts and aliases by key, at least those under `keys_of(address)`.

    """
    if domain is None:
        return Remote(address.domain)
    if domain.status is DomainStatus.SUSPENDED:
        return DOMAIN_SUSPENDED
    entry = next((found[key] for key in keys_of(address) if key in found), None)
    if isinstance(entry, Alias):
        return Expansion(entry.targets, entry.tenant)
    if entry is not None:
        return _of_account(address, entry)
    if domain.catch_all is not None:
        return Expansion((domain.catch_all,), domain.tenant)
    return NO_SUCH_ADDRESS


def _of_account(address: Address, account: Account) -> Resolution:
    if account.status is AccountStatus.DISABLED:
        return ACCOUNT_DISABLED
    detail = "" if address.key == account.address.key else address.base_and_detail()[1]
    return LocalAccount(account, account.tenant, account.address, detail)
