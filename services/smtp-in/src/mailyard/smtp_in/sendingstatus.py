"""The hook of tenants that may not send: what their accounts submit is refused, while they receive and read on.

Changes reach open sessions within seconds, because the directory drops what it has cached (`accesswatch`).
"""

from collections.abc import Awaitable

from mailyard.directory.directory import Directory
from mailyard.directory.model import Domain
from mailyard.message.address import Address
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.hooks import HookResult, SmtpContext, SmtpHook
from mailyard.spool.acceptance import Acceptance

# RFC 3463, X.7.1: delivery not authorized.
SENDING_STOPPED = reply(550, "5.7.1", "Sending is suspended for your organisation, please ask your provider")
DOMAIN_UNVERIFIED = reply(550, "5.7.1", "The ownership of your domain is not verified yet")
DOMAIN_SUSPENDED = reply(550, "5.7.1", "Your domain is suspended")


class SendingStatus(SmtpHook):
    """Refuses MAIL of a login whose tenant, reseller or domain may not send, and a message that began before."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def on_mail(self, context: SmtpContext, sender: Address | None) -> HookResult | Awaitable[HookResult]:
        """Ask for the domain of the login."""
        _ = sender
        return self._judge(context)

    def on_end_of_data(self, context: SmtpContext, message: Acceptance) -> HookResult | Awaitable[HookResult]:
        """Ask again: the message may have taken long."""
        _ = message
        return self._judge(context)

    def _judge(self, context: SmtpContext) -> HookResult | Awaitable[HookResult]:
        if context.identity is None:
            return None
        name = context.identity.address.domain
        known = self._directory.domain_cached(name)
        return self._look_up(name) if known is None else refusal_of(known)

    async def _look_up(self, name: str) -> Reply | None:
        found = await self._directory.domain(name)
        return None if found is None else refusal_of(found)  # without the domain the session ends anyway


def refusal_of(domain: Domain) -> Reply | None:
    """Return why accounts of a domain may not send; None: they may."""
    if domain.may_send:
        return None
    if not domain.tenant_status.may_send:
        return SENDING_STOPPED
    return DOMAIN_SUSPENDED if domain.is_verified else DOMAIN_UNVERIFIED
