"""Plans: what limits permit, from given numbers."""

import pytest

from mailyard.directory.errors import Invalid, LimitReached
from mailyard.directory.plan import (
    NO_LIMITS,
    Counts,
    Limits,
    Plan,
    Resource,
    check_promises,
    check_use,
    check_weight,
    promised_by,
)


def test_use_up_to_a_limit_is_permitted_and_one_more_is_not() -> None:
    limits = Limits(domains=2, accounts=10)
    check_use("acme", limits, Counts(domains=2, accounts=10, storage_bytes=10**15))
    with pytest.raises(LimitReached, match="the tenant acme has a limit of 2 domains, and would use 3"):
        check_use("acme", limits, Counts(domains=3))


def test_only_what_grows_is_compared() -> None:
    check_use("acme", Limits(domains=2), Counts(domains=9), [Resource.ACCOUNTS])


def test_a_limit_of_zero_permits_nothing() -> None:
    with pytest.raises(LimitReached, match="limit of 0 accounts, and would use 1"):
        check_use("acme", Limits(accounts=0), Counts(accounts=1))


@pytest.mark.parametrize("resource", list(Resource))
def test_customers_may_have_together_what_their_reseller_has(resource: Resource) -> None:
    plan = Plan(NO_LIMITS.with_changes({resource: 10}))
    parts = [NO_LIMITS.with_changes({resource: part}) for part in (4, 6)]
    check_promises("seller", plan, parts)
    more = [*parts, NO_LIMITS.with_changes({resource: 1})]
    with pytest.raises(LimitReached, match=f"may promise 10 {resource.words}: its customers would have 11"):
        check_promises("seller", plan, more)
    check_promises("seller", Plan(plan.limits, overpromise=True), more)


def test_a_customer_without_a_limit_is_promised_everything() -> None:
    customers = [Limits(domains=1), NO_LIMITS]
    assert promised_by(customers, Resource.DOMAINS) is None
    with pytest.raises(LimitReached, match=r"limit of 5 domains .* give each of its customers a limit"):
        check_promises("seller", Plan(Limits(domains=5)), customers)
    check_promises("seller", Plan(), customers)


def test_nothing_is_promised_by_nobody() -> None:
    assert promised_by([], Resource.ACCOUNTS) == 0


def test_limits_that_are_not_named_stay_and_none_removes_one() -> None:
    limits = Limits(domains=1, accounts=2).with_changes({Resource.DOMAINS: None, Resource.STORAGE: 3})
    assert limits == Limits(accounts=2, storage_bytes=3)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(Invalid, match="limit of accounts cannot be negative"):
        NO_LIMITS.with_changes({Resource.ACCOUNTS: -1})


@pytest.mark.parametrize("weight", [0, 101, -1])
def test_a_weight_is_within_its_range(weight: int) -> None:
    assert check_weight(1) == 1
    with pytest.raises(Invalid, match="from 1 to 100"):
        check_weight(weight)
