"""The hook of the policies of tenants and domains: what an account may submit."""

from collections.abc import Awaitable

from mailyard.directory.policies import Policies
from mailyard.directory.policy import DomainPolicy
from mailyard.message.address import Address
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.hooks import HookResult, SmtpContext, SmtpHook
from mailyard.spool.acceptance import Acceptance


class SubmissionPolicy(SmtpHook):
    """Refuses messages above the size of the policy, and notes the policy for the header section.

    The limit of the installation, which EHLO announces, holds in any case.
    """

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def on_mail(self, context: SmtpContext, sender: Address | None) -> HookResult | Awaitable[HookResult]:
        """Look up the policy of the login's domain, and compare the declared size (RFC 1870, section 6.1)."""
        _ = sender
        if context.identity is None:
            return None
        domain = context.identity.address.domain
        known = self._policies.of_domain_cached(domain)
        return self._look_up(context, domain) if known is None else _judge(context, known)

    def on_end_of_data(self, context: SmtpContext, message: Acceptance) -> Reply | None:
        """Compare the real size."""
        return _size_refusal(context.transaction.policy, message.body.size)

    async def _look_up(self, context: SmtpContext, domain: str) -> Reply | None:
        return _judge(context, await self._policies.of_domain(domain))


def _judge(context: SmtpContext, policy: DomainPolicy) -> Reply | None:
    context.transaction.policy = policy
    return _size_refusal(policy, context.transaction.parameters.size)


def _size_refusal(policy: DomainPolicy, octets: int) -> Reply | None:
    if policy.message_size is None or octets <= policy.message_size:
        return None
    return reply(552, "5.3.4", f"The message is larger than {policy.message_size} octets")
