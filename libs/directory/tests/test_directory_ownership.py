"""Domains whose ownership is not proved: nothing of them is of this installation until the DNS shows their token."""

import pytest

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.identity import Identity
from mailyard.directory.model import DomainStatus, LocalAccount, Remote
from mailyard.directory.ownership import new_token, proves, record_name, record_text
from mailyard.directory.passwords import Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

MAIL = Address("dora", "claimed.example")


@pytest.fixture
async def claimed(example: Provisioning) -> Provisioning:
    """The tenant acme claims claimed.example, and has an account in it."""
    await example.add_domain("acme", "claimed.example", verified=False)
    await example.add_account("acme", "dora@claimed.example", "dora's password")
    return example


@pytest.fixture
def logins(store: Store, directory: Directory, passwords: Passwords) -> Authenticator:
    return Authenticator(store, directory, passwords)


async def log_in(logins: Authenticator) -> Identity:
    found = await logins.authenticate(str(MAIL), "dora's password", client_ip="192.0.2.1", service="test")
    assert isinstance(found, Identity)
    return found


def test_the_token_is_proved_by_its_own_record_only() -> None:
    token = new_token()
    assert len(token) == 32
    assert new_token() != token
    assert record_name("example.org") == "_mailyard.example.org"
    assert proves(["v=spf1 -all", record_text(token)], token)
    assert proves([f" {record_text(token)}\t"], token)
    for texts in ([], [token], [record_text(token).upper()], [record_text(token) + "0"], [record_text("")]):
        assert not proves(texts, token)
    assert not proves([record_text("")], "")


@pytest.mark.parametrize("local", ["dora", "nobody", "postmaster", "abuse", "Abuse"])
async def test_mail_for_an_unverified_domain_goes_to_whoever_owns_it(claimed, directory, local: str) -> None:
    found = await directory.resolve(Address(local, "claimed.example"))
    assert found == Remote("claimed.example")
    assert found.is_unverified
    [end] = await directory.expand(Address(local, "claimed.example"))
    assert end.resolution == Remote("claimed.example")


async def test_nobody_sends_as_an_unverified_domain_and_its_accounts_may_read(
    claimed, directory: Directory, logins: Authenticator
) -> None:
    dora = await log_in(logins)
    assert not await logins.may_send_as(dora, MAIL)
    domain = await directory.domain("claimed.example")
    assert domain is not None
    assert (domain.may_send, domain.may_log_in, domain.takes_mail) == (False, True, False)


async def test_a_verified_domain_takes_mail_at_the_next_poll_of_the_access_log(
    claimed: Provisioning, store: Store, directory: Directory, logins: Authenticator
) -> None:
    watch = AccessWatch(store, directory.forget)
    await watch.poll()
    assert isinstance(await directory.resolve(MAIL), Remote)
    domain = await claimed.verify_domain("acme", "Claimed.Example")
    assert domain.status is DomainStatus.ACTIVE
    assert domain.verification == ""
    await watch.poll()
    assert isinstance(await directory.resolve(MAIL), LocalAccount)
    assert await logins.may_send_as(await log_in(logins), MAIL)
    assert await claimed.verify_domain("acme", "claimed.example") == domain


async def test_a_domain_that_was_suspended_unverified_is_unverified_when_it_is_resumed(
    claimed: Provisioning, store: Store
) -> None:
    suspension = Suspension(store, claimed, now_utc)
    assert (await suspension.resume_domain("acme", "claimed.example")).status is DomainStatus.UNVERIFIED
    await suspension.suspend_domain("acme", "claimed.example")
    resumed = await suspension.resume_domain("acme", "claimed.example")
    assert resumed.status is DomainStatus.UNVERIFIED
    await suspension.suspend_domain("acme", "example.org")
    assert (await suspension.resume_domain("acme", "example.org")).status is DomainStatus.ACTIVE


async def test_a_suspended_domain_is_not_resumed_by_its_verification(
    claimed: Provisioning, store: Store
) -> None:
    await Suspension(store, claimed, now_utc).suspend_domain("acme", "claimed.example")
    assert (await claimed.verify_domain("acme", "claimed.example")).status is DomainStatus.SUSPENDED


async def test_an_alias_domain_is_verified_by_itself(claimed: Provisioning, directory: Directory) -> None:
    await claimed.add_domain("acme", "second.example", alias_of="example.org", verified=False)
    assert await directory.resolve(Address("anna", "second.example")) == Remote("second.example")
    await claimed.verify_domain("acme", "second.example")
    directory.forget()
    assert isinstance(await directory.resolve(Address("anna", "second.example")), LocalAccount)
