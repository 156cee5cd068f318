"""Tenants, domains, accounts and aliases as values, and the resolutions of an address.

A tenant owns domains, a domain holds addresses, an address is an account's own or an alias. Every address
exists once in the whole installation.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from bson import ObjectId

from mailyard.directory.plan import NO_PLAN, Plan
from mailyard.directory.policy import DEFAULT_SEPARATOR, NO_LEVELS, PolicyInForce, PolicyLevels
from mailyard.message.address import Address


class TenantKind(StrEnum):
    """A customer owns domains. A reseller divides its limits among customers, and owns none."""

    CUSTOMER = "customer"
    RESELLER = "reseller"


class TenantStatus(StrEnum):
    """The state of a tenant, which keeps everything in each of them. The worse of its own and its reseller's holds."""

    ACTIVE = "active"
    NO_SENDING = "no-sending"  # its accounts receive and read mail, and submit none
    SUSPENDED = "suspended"  # its domains take no mail, nobody may log in

    @property
    def may_log_in(self) -> bool:
        """Accounts may log in."""
        return self is not TenantStatus.SUSPENDED

    @property
    def takes_mail(self) -> bool:
        """Domains take mail."""
        return self is not TenantStatus.SUSPENDED

    @property
    def may_send(self) -> bool:
        """Accounts may submit mail."""
        return self is TenantStatus.ACTIVE


def worse_of(first: TenantStatus, second: TenantStatus) -> TenantStatus:
    """Return the status that takes more away."""
    order = tuple(TenantStatus)
    return max(first, second, key=order.index)


class DomainStatus(StrEnum):
    """A suspended domain keeps its accounts; it takes no mail and none of its accounts may log in.

    An unverified one may belong to somebody else: its addresses are not of this installation, nobody sends as them, and
    its accounts may log in to read.
    """

    ACTIVE = "active"
    UNVERIFIED = "unverified"
    SUSPENDED = "suspended"


class AccountStatus(StrEnum):
    """The state of an account."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  # takes mail, nobody may log in
    DISABLED = "disabled"  # takes no mail, nobody may log in

    @property
    def may_log_in(self) -> bool:
        """Somebody may log in."""
        return self is AccountStatus.ACTIVE

    @property
    def takes_mail(self) -> bool:
        """The mailboxes take mail."""
        return self is not AccountStatus.DISABLED


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer or a reseller: `id` is a slug and never changes.

    `parent` is the reseller that a customer belongs to; empty: the provider itself.
    """

    id: str
    name: str
    status: TenantStatus = TenantStatus.ACTIVE
    contact: Address | None = None  # receives mail for postmaster@ and abuse@ of its domains
    kind: TenantKind = TenantKind.CUSTOMER
    parent: str = ""
    plan: Plan = NO_PLAN
    language: str = ""  # of mail to its people, BCP 47; empty: the installation's


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain that this installation takes mail for; `name` in lower case with A-labels."""

    name: str
    tenant: str
    status: DomainStatus = DomainStatus.ACTIVE
    catch_all: Address | None = None  # gets what no account and no alias of the domain claims
    tenant_status: TenantStatus = TenantStatus.ACTIVE  # the worse of its tenant's and its reseller's
    contact: Address | None = None  # of its tenant
    alias_of: str = ""  # the domain whose addresses answer under this name too
    target: "Domain | None" = None  # that domain, where it was looked up
    verification: str = ""  # token that the DNS of an unverified domain must show
    separator: str = DEFAULT_SEPARATOR  # of plus-addressing; empty: off
    levels: PolicyLevels = field(default=NO_LEVELS, compare=False)
    policy: PolicyInForce = field(default_factory=PolicyInForce, compare=False)

    @property
    def holder(self) -> "Domain":
        """The domain that holds the addresses: the other one for an alias domain, else itself."""
        return self.target or self

    @property
    def is_verified(self) -> bool:
        """Its tenant has shown that it owns the domain."""
        return DomainStatus.UNVERIFIED not in (self.status, self.holder.status)

    @property
    def takes_mail(self) -> bool:
        """Mail for its addresses is taken."""
        return self._is_active and self.tenant_status.takes_mail

    @property
    def may_log_in(self) -> bool:
        """Its accounts may log in, those of an unverified domain too."""
        return self.status is not DomainStatus.SUSPENDED and self.tenant_status.may_log_in

    @property
    def may_send(self) -> bool:
        """Its accounts may submit mail."""
        return self._is_active and self.tenant_status.may_send

    @property
    def _is_active(self) -> bool:
        return self.status is DomainStatus.ACTIVE and self.holder.status is DomainStatus.ACTIVE


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
    """The domain is not of this installation, or no tenant has shown yet that it owns it."""

    domain: str
    is_unverified: bool = field(default=False, compare=False)


Resolution = LocalAccount | Expansion | Unknown | Remote
FinalResolution = LocalAccount | Unknown | Remote


@dataclass(frozen=True, slots=True)
class Destination:
    """Where mail for an address ends after all aliases: `address` is the last one on the way."""

    address: Address
    resolution: FinalResolution
