"""What a tenant's or a domain's policy changes for submission."""

import pytest

from mailyard.directory.policy import AuthorPolicy, DomainPolicy
from mailyard.runtime.errors import Unavailable
from mailyard.smtp_in.submissionpolicy import SubmissionPolicy

OWN = "From: ann@one.test\r\n"


class FakePolicies:
    """One policy for one.test, cached or not."""

    def __init__(self, policy: DomainPolicy, *, is_cached: bool) -> None:
        self.policy = policy
        self.is_cached = is_cached
        self.is_away = False
        self.asked: list[str] = []

    def of_domain_cached(self, domain: str) -> DomainPolicy | None:
        assert domain == "one.test"
        return self.policy if self.is_cached else None

    async def of_domain(self, domain: str) -> DomainPolicy:
        self.asked.append(domain)
        if self.is_away:
            raise Unavailable("the store is unreachable")
        return self.policy


@pytest.fixture(params=[True, False], ids=["cached", "looked up"])
def under(request: pytest.FixtureRequest, house):
    def apply(**fields) -> FakePolicies:
        policies = FakePolicies(DomainPolicy(**fields), is_cached=request.param)
        house.more_hooks.append(SubmissionPolicy(policies))
        return policies

    return apply


async def send(client, text: str) -> str:
    for command in ("MAIL FROM:<ann@one.test>", "RCPT TO:<bob@one.test>"):
        assert (await client.ask(command))[0][:3] == "250"
    return await client.message(text)


async def test_a_declared_size_above_the_policy_is_refused_at_mail(house, under) -> None:
    under(message_size=100_000)
    client = await house.submission()
    assert (await client.ask("MAIL FROM:<ann@one.test> SIZE=100001"))[0] == (
        "552 5.3.4 The message is larger than 100000 octets"
    )
    assert (await client.ask("MAIL FROM:<ann@one.test> SIZE=100000"))[0][:3] == "250"


async def test_a_message_above_the_policy_is_refused_at_its_end(house, under) -> None:
    under(message_size=100_000)
    client = await house.submission()
    assert (await send(client, OWN + "\r\n" + "y" * 98 + ("\r\n" + "y" * 98) * 1_000))[:9] == "552 5.3.4"
    assert (await send(client, OWN + "\r\nshort"))[:3] == "250"


async def test_the_author_policy_goes_before_the_setting(house, under) -> None:
    under(author_policy=AuthorPolicy.REWRITE)
    client = await house.submission()
    assert (await send(client, "From: cat@two.test\r\n\r\nhello"))[:3] == "250"
    assert b"From: ann@one.test\r\nX-Original-From: cat@two.test\r\n" in house.spool.stored()


async def test_a_policy_that_says_nothing_leaves_everything_to_the_settings(house, under) -> None:
    policies = under()
    client = await house.submission()
    assert (await send(client, "From: cat@two.test\r\n\r\nhello"))[:7] == "550 5.7"
    assert policies.asked == ([] if policies.is_cached else ["one.test"])


async def test_a_policy_that_cannot_be_looked_up_defers_the_mail(house, under) -> None:
    policies = under()
    policies.is_cached, policies.is_away = False, True
    client = await house.submission()
    assert (await client.ask("MAIL FROM:<ann@one.test>"))[0][:3] == "451"
