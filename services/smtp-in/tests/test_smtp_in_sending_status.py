"""Tenants that may not send, and domains that are not verified yet."""

import pytest

from mailyard.directory.model import Domain, DomainStatus, Remote, TenantStatus
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.policy import judge_recipient
from mailyard.smtp_in.sendingstatus import SendingStatus, refusal_of

STOPPED = "550 5.7.1 Sending is suspended for your organisation, please ask your provider"


class FakeDomains:
    """The domain one.test with a status, cached or not."""

    def __init__(self, *, is_cached: bool) -> None:
        self.tenant_status = TenantStatus.ACTIVE
        self.is_cached = is_cached

    def domain_cached(self, name: str) -> Domain | None:
        assert name == "one.test"
        return self._domain() if self.is_cached else None

    async def domain(self, name: str) -> Domain | None:
        return self._domain()

    def _domain(self) -> Domain:
        return Domain("one.test", "one", tenant_status=self.tenant_status)


@pytest.fixture(params=[True, False], ids=["cached", "looked up"])
def domains(request: pytest.FixtureRequest, service) -> FakeDomains:
    domains = FakeDomains(is_cached=request.param)
    service.more_hooks.append(SendingStatus(domains))
    return domains


async def test_mail_of_an_open_session_is_refused_once_its_tenant_may_not_send(service, domains) -> None:
    client = await service.submission()
    assert (await client.ask("MAIL FROM:<ann@one.test>", "RSET"))[0][:3] == "250"
    domains.tenant_status = TenantStatus.NO_SENDING
    assert (await client.ask("MAIL FROM:<ann@one.test>"))[0] == STOPPED
    assert (await client.ask("MAIL FROM:<>"))[0] == STOPPED
    domains.tenant_status = TenantStatus.ACTIVE
    assert (await client.ask("MAIL FROM:<ann@one.test>"))[0][:3] == "250"


async def test_a_message_that_began_before_is_refused_at_its_end(service, domains) -> None:
    client = await service.submission()
    await client.envelope("x@elsewhere.test", sender="ann@one.test")
    domains.tenant_status = TenantStatus.NO_SENDING
    assert await client.message("From: ann@one.test\r\n\r\nhello") == STOPPED
    assert service.spool.accepted == []


async def test_mail_from_outside_is_taken_for_a_tenant_that_may_not_send(service, domains) -> None:
    domains.tenant_status = TenantStatus.NO_SENDING
    client = await service.client(await service.open())
    assert [each[:3] for each in await client.envelope("ann@one.test")] == ["250", "250"]
    assert (await client.message("hello"))[:3] == "250"


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (Domain("one.test", "one"), None),
        (
            Domain("one.test", "one", DomainStatus.UNVERIFIED),
            "The ownership of your domain is not verified yet",
        ),
        (Domain("one.test", "one", DomainStatus.SUSPENDED), "Your domain is suspended"),
    ],
)
def test_the_reply_says_why(domain: Domain, text: str | None) -> None:
    found = refusal_of(domain)
    assert (found.lines[0] if found else None) == text


@pytest.mark.parametrize("mode", [Mode.MX, Mode.LMTP])
def test_mail_for_an_unverified_domain_may_come_again_later(mode: Mode) -> None:
    found = judge_recipient(mode, None, Remote("claimed.test", is_unverified=True))
    assert (found.code, found.enhanced) == (450, "4.7.1")
    assert judge_recipient(mode, None, Remote("elsewhere.test")).code == 550
