"""Plans of tenants: limits, and what of them is promised and used. Pure.

A reseller divides its limits among its customers. A limit is counted twice: *promised* is the sum of what customers may
have, *used* is what they have. Without `overpromise` the promises of a reseller may not exceed its limits; with it only
the use may not. No limit in a plan: the parent's limit decides, and without one nothing does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from mailyard.directory.errors import Invalid, LimitReached

MAX_WEIGHT: Final = 100


class Resource(StrEnum):
    """What a plan limits; the value is the name of the field in rows and in JSON."""

    DOMAINS = "domains"
    ACCOUNTS = "accounts"
    STORAGE = "storage_bytes"
    MESSAGES = "messages_per_day"

    @property
    def words(self) -> str:
        """The name in sentences."""
        return _WORDS[self]


_WORDS: Final[Mapping[Resource, str]] = {
    Resource.DOMAINS: "domains",
    Resource.ACCOUNTS: "accounts",
    Resource.STORAGE: "bytes of storage",
    Resource.MESSAGES: "messages per day",
}
COUNTED: Final = (Resource.DOMAINS, Resource.ACCOUNTS, Resource.STORAGE)  # in the row of the tenant


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a plan; None: no limit. `storage_bytes` is divided into the quotas of accounts."""

    domains: int | None = None
    accounts: int | None = None
    storage_bytes: int | None = None
    messages_per_day: int | None = None

    def of(self, resource: Resource) -> int | None:
        """Return one limit."""
        found: int | None = getattr(self, resource)
        return found

    def with_changes(self, changes: Mapping[Resource, int | None]) -> "Limits":
        """Return these limits with others in the place of some. Raises Invalid: one is negative."""
        for resource, limit in changes.items():
            if limit is not None and limit < 0:
                raise Invalid(f"a limit of {resource.words} cannot be negative: leave it out for no limit")
        values: dict[str, int | None] = {each.name: getattr(self, each.name) for each in fields(self)}
        return Limits(**{**values, **{resource.value: limit for resource, limit in changes.items()}})


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tenant may have, and its share of the installation when there is not enough for all.

    `overpromise` is a field of resellers: the limits of its customers may add up to more than its own.
    """

    limits: Limits = NO_LIMITS
    weight: int = 1
    overpromise: bool = False


NO_PLAN: Final = Plan()


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a tenant has of what is counted in its row; `storage_bytes`: the sum of its accounts' quotas."""

    domains: int = 0
    accounts: int = 0
    storage_bytes: int = 0

    def of(self, resource: Resource) -> int | None:
        """Return one count; None: it is not counted in the row."""
        found: int | None = getattr(self, resource, None)
        return found

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.domains + other.domains,
            self.accounts + other.accounts,
            self.storage_bytes + other.storage_bytes,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """One limit of a tenant: how much of it is promised and used.

    `promised` is None where a customer without a limit has everything promised, `used` where the row does not count it.
    """

    resource: Resource
    limit: int | None
    promised: int | None
    used: int | None


def promised_by(customers: Iterable[Limits], resource: Resource) -> int | None:
    """Return the sum of the limits of customers; None: one of them has none."""
    total = 0
    for limits in customers:
        limit = limits.of(resource)
        if limit is None:
            return None
        total += limit
    return total


def check_promises(reseller: str, plan: Plan, customers: Iterable[Limits]) -> None:
    """Compare the limits of customers with those of their reseller. Raises LimitReached."""
    every = tuple(customers)
    for resource in Resource:
        limit = plan.limits.of(resource)
        if limit is None or plan.overpromise:
            continue
        promised = promised_by(every, resource)
        if promised is None:
            raise LimitReached(
                f"the reseller {reseller} has a limit of {limit} {resource.words} and promises no more than that:"
                " give each of its customers a limit of them"
            )
        if promised > limit:
            raise LimitReached(
                f"the reseller {reseller} may promise {limit} {resource.words}: its customers would have {promised}"
            )


def check_use(tenant: str, limits: Limits, used: Counts, resources: Iterable[Resource] = COUNTED) -> None:
    """Compare the use of a tenant with its limits. Raises LimitReached."""
    for resource in resources:
        limit, count = limits.of(resource), used.of(resource)
        if limit is not None and count is not None and count > limit:
            raise LimitReached(
                f"the tenant {tenant} has a limit of {limit} {resource.words}, and would use {count}"
            )


def check_weight(weight: int) -> int:
    """Return a weight. Raises Invalid: it is out of range."""
    if not 1 <= weight <= MAX_WEIGHT:
        raise Invalid(f"a weight is a number from 1 to {MAX_WEIGHT}")
    return weight
