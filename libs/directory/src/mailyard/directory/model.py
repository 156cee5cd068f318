"""Tenants, domains, accounts and aliases as values, and the resolutions of an address.

A tenant owns domains, a domain holds addresses, an address is an account's own or an alias. Every address
exists once in the whole installation.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from bson import ObjectId

from mailyard.message.address import Address


class TenantStatus(StrEnum):
    """A suspended tenant keeps everything; its domains take no mail and none of its accounts may log in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class DomainStatus(StrEnum):
    """A suspended domain keeps its accounts; it takes no mail and none of its accounts may log in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class AccountStatus(StrEnum):
    """The state of an account."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  # takes mail, nobody may log in
    DISABLED = "disabled"  # takes no mail, nobody may log in


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer: `id` is a slug and never changes."""

    id: str
    name: str
    status: TenantStatus = TenantStatus.ACTIVE
    contact: Address | None = None  # receives mail for postmaster@ and abuse@ of its domains


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain that this installation takes mail for; `name` in lower case with A-labels."""

    name: str
    tenant: str
    status: DomainStatus = DomainStatus.ACTIVE
    catch_all: Address | None = None  # gets what no account and no alias of the domain claims
    tenant_status: TenantStatus = TenantStatus.ACTIVE
    contact: Address | None = None  # of its tenant

    @property
    def is_suspended(self) -> bool:
        """The domain itself or its whole tenant is suspended."""
        return self.status is DomainStatus.SUSPENDED or self.tenant_status is TenantStatus.SUSPENDED


@dataclass(frozen=True, slots=True)
class Account:
    """A person's or a machine's access: one mail address, one set of mailboxes."""

    id: ObjectId
    tenant: str
    address: Address
    status: AccountStatus = AccountStatus.ACTIVE
    quota_bytes: int | None = None  # None: no limit
    name: str = ""  # of the person or the machine, for lists
    main_password_off: tuple[str, ...] = ()  # protocols that the main password does not open


@dataclass(frozen=True, slots=True)
class LoginEntry:
    """An account as its source of credentials found it.

    `secret` is what the source verifies a password against: a hash, or the name of the account elsewhere. `revision`
    is the access change (`accesslog`) that last ended the account's sessions. `main_password_off` names the protocols
    that only app passwords open.
    """

    account: Account
    secret: str = field(repr=False)
    revision: int = 0
    main_password_off: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that stands for others, here or elsewhere."""

    address: Address
    tenant: str
    targets: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """The address is an account's: `address` is the account's own, `detail` stood behind the plus sign."""

    account: Account
    tenant: str
    address: Address
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Expansion:
    """The address stands for others; `tenant` owns it.

    `is_default` marks postmaster@ and abuse@ of a domain that has no such address: somebody receives their mail,
    nobody sends as them. `account` is reached at once, even where its domain is suspended.
    """

    targets: tuple[Address, ...]
    tenant: str
    is_default: bool = False
    account: LocalAccount | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is of this installation, the address takes no mail: a permanent failure with an RFC 3463 status."""

    reason: str
    status: str = "5.1.1"


@dataclass(frozen=True, slots=True)
class Remote:
    """The domain is not of this installation."""

    domain: str


Resolution = LocalAccount | Expansion | Unknown | Remote
FinalResolution = LocalAccount | Unknown | Remote


@dataclass(frozen=True, slots=True)
class Destination:
    """Where mail for an address ends after all aliases: `address` is the last one on the way."""

    address: Address
    resolution: FinalResolution
