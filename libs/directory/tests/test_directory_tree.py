"""The status of tenants and resellers, and for whom it holds."""

import asyncio

import pytest

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.errors import Invalid, NotFound
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.model import LocalAccount, TenantKind, TenantStatus, Unknown, worse_of
from mailyard.directory.passwords import Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

ANNA = Address("anna", "example.org")


@pytest.fixture
async def suspension(store: Store, example: Provisioning) -> Suspension:
    """The tenant acme is a customer of the reseller seller."""
    await example.add_tenant("seller", kind=TenantKind.RESELLER)
    await example.set_tenant("acme", parent="seller")
    return Suspension(store, example, now_utc)


@pytest.fixture
def watch(store: Store, directory: Directory) -> AccessWatch:
    return AccessWatch(store, directory.forget)


@pytest.fixture
def log_in(store: Store, directory: Directory, passwords: Passwords, watch: AccessWatch):
    authenticator = Authenticator(store, directory, passwords, access=watch)

    async def answer(login: str, password: str) -> Identity | Refusal:
        return await authenticator.authenticate(login, password, client_ip="192.0.2.1", service="test")

    return answer


async def test_a_suspended_reseller_suspends_its_customers_and_nobody_else(
    suspension: Suspension, directory: Directory, watch: AccessWatch, log_in
) -> None:
    anna = await log_in("anna@example.org", "correct horse")
    carl = await log_in("carl@other.net", "carl's password")
    ended: list[str] = []
    for identity in (anna, carl):
        assert isinstance(identity, Identity)
        watch.open(identity, lambda name=identity.address.local: ended.append(name))
    await directory.resolve(ANNA)
    await suspension.suspend_tenant("seller")
    await watch.poll()
    assert ended == ["anna"]
    assert await log_in("anna@example.org", "correct horse") == Refusal(RefusalReason.ACCOUNT_DISABLED)
    assert isinstance(await log_in("carl@other.net", "carl's password"), Identity)
    assert await directory.resolve(ANNA) == Unknown("the domain takes no mail now", "5.7.1")
    assert isinstance(await directory.resolve(Address("carl", "other.net")), LocalAccount)
    await suspension.resume_tenant("seller")
    await watch.poll()
    assert isinstance(await log_in("anna@example.org", "correct horse"), Identity)
    assert isinstance(await directory.resolve(ANNA), LocalAccount)


async def test_a_customer_that_was_suspended_itself_stays_so_when_its_reseller_is_resumed(
    suspension: Suspension, directory: Directory, watch: AccessWatch
) -> None:
    await suspension.suspend_tenant("acme")
    await suspension.suspend_tenant("seller")
    await suspension.resume_tenant("seller")
    await watch.poll()
    assert await directory.resolve(ANNA) == Unknown("the domain takes no mail now", "5.7.1")


@pytest.mark.parametrize("who", ["acme", "seller"])
async def test_without_sending_a_tenant_receives_and_logs_in_and_no_session_ends(
    suspension: Suspension, directory: Directory, watch: AccessWatch, log_in, who: str
) -> None:
    identity = await log_in("anna@example.org", "correct horse")
    assert isinstance(identity, Identity)
    ended: list[str] = []
    watch.open(identity, lambda: ended.append("anna"))
    await directory.domain("example.org")
    await suspension.stop_sending(who)
    await watch.poll()
    domain = await directory.domain("example.org")
    assert domain is not None
    assert (domain.may_send, domain.may_log_in, domain.takes_mail) == (False, True, True)
    assert ended == []
    assert isinstance(await log_in("anna@example.org", "correct horse"), Identity)
    assert isinstance(await directory.resolve(ANNA), LocalAccount)
    await suspension.resume_tenant(who)
    await watch.poll()
    domain = await directory.domain("example.org")
    assert domain is not None
    assert domain.may_send


async def test_a_suspended_tenant_is_not_given_access_by_stopping_its_sending(suspension: Suspension) -> None:
    await suspension.suspend_tenant("acme")
    with pytest.raises(Invalid, match="tenant acme is suspended"):
        await suspension.stop_sending("acme")
    with pytest.raises(NotFound):
        await suspension.stop_sending("nobody")
    with pytest.raises(NotFound):
        await suspension.suspend_tenant("nobody")
    with pytest.raises(NotFound):
        await suspension.resume_tenant("nobody")


async def test_a_tenant_does_not_move_to_a_suspended_reseller(
    suspension: Suspension, example: Provisioning
) -> None:
    await suspension.suspend_tenant("seller")
    with pytest.raises(Invalid, match="reseller seller is suspended: resume it"):
        await example.set_tenant("other", parent="seller")
    await example.set_tenant("acme", name="Acme")  # it stays where it is


async def test_a_thousand_customers_are_suspended_in_one_step(
    store: Store, suspension: Suspension, watch: AccessWatch
) -> None:
    rows = [
        {"_id": f"c{number}", "name": "x", "status": "active", "parent": "seller"} for number in range(1_000)
    ]
    await store.collection("tenants").insert_many(rows)
    async with asyncio.timeout(10):
        await suspension.suspend_tenant("seller")
    while await watch.poll():
        pass
    assert watch.revision == 1_002


def test_the_worse_status_holds() -> None:
    active, silent, suspended = TenantStatus
    assert worse_of(active, silent) is silent
    assert worse_of(suspended, silent) is suspended
    assert worse_of(active, active) is active
