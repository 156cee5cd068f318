"""Who may send what to whom: hooks that are asked for every client, and the decisions on values behind them.

MX never relays; LMTP takes local recipients only.
"""

from collections.abc import Awaitable, Iterable

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.grants import GrantKind
from mailyard.directory.identity import Identity
from mailyard.directory.model import Expansion, LocalAccount, Remote, Resolution, Unknown
from mailyard.listening.budget import MemoryBudget
from mailyard.message.address import Address
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.smtp.parameters import RcptParameters
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.headerfilters import Strangers
from mailyard.smtp_in.hooks import HookResult, SmtpContext, SmtpHook
from mailyard.smtp_in.pressure import Pressure
from mailyard.smtp_in.replies import (
    MEMORY_FULL,
    NOT_LOCAL,
    NOT_YET_VERIFIED,
    RECIPIENT_OK,
    RELAY_DENIED,
    not_your_address,
)


class MemoryPolicy(SmtpHook):
    """Refuses new transactions and recipients while all connections together hold too much."""

    def __init__(self, memory: MemoryBudget) -> None:
        self._memory = memory

    def on_mail(self, context: SmtpContext, sender: Address | None) -> Reply | None:
        """Return 452 while the budget is used up."""
        _ = context, sender
        return MEMORY_FULL if self._memory.is_exhausted else None

    def on_rcpt(self, context: SmtpContext, recipient: Address, resolution: Resolution) -> Reply | None:
        """Return 452 while the budget is used up."""
        _ = context, recipient, resolution
        return MEMORY_FULL if self._memory.is_exhausted else None


class PressurePolicy(SmtpHook):
    """Refuses new messages while the store or the router cannot follow."""

    def __init__(self, pressure: Pressure) -> None:
        self._pressure = pressure

    def on_mail(self, context: SmtpContext, sender: Address | None) -> Reply | None:
        """Return 451 or 452 while something is behind."""
        _ = context, sender
        return self._pressure.refusal()


class OwnAddressPolicy(SmtpHook):
    """Takes mail of an authenticated client from its own addresses only (RFC 6409 section 6.1)."""

    def __init__(self, addresses: Directory, logins: Authenticator) -> None:
        self._addresses = addresses
        self._logins = logins

    def on_mail(self, context: SmtpContext, sender: Address | None) -> HookResult | Awaitable[HookResult]:
        """Refuse addresses of others; the null reverse-path is nobody's."""
        identity = context.identity
        if identity is None or sender is None or self.is_known_own(identity, sender):
            return None
        return self._look_up(identity, sender)

    def is_known_own(self, identity: Identity, address: Address) -> bool:
        """Say whether it is known without a look-up that the address belongs to the account."""
        if address.key == identity.address.key:
            return True
        resolution = self._addresses.resolve_cached(address)
        return isinstance(resolution, LocalAccount) and str(resolution.account.id) == identity.account

    async def strangers(self, identity: Identity, addresses: Iterable[Address]) -> Strangers:
        """Name the addresses that the account may not use, or only on behalf of their owner. Raises Unavailable."""
        rights = {address: await self._logins.send_right(identity, address) for address in addresses}
        return Strangers(
            foreign=[address for address, right in rights.items() if right is None],
            on_behalf=[address for address, right in rights.items() if right is GrantKind.SEND_ON_BEHALF],
        )

    async def _look_up(self, identity: Identity, sender: Address) -> Reply | None:
        """Bounces go to the reverse-path, so a grant to send on behalf of an address is not enough."""
        if await self._logins.send_right(identity, sender) is GrantKind.SEND_AS:
            return None
        return not_your_address(sender, identity.address)


class RecipientPolicy(SmtpHook):
    """Takes known local recipients, and remote ones of authenticated clients.

    An alias that leads nowhere is unknown: it is refused here and bounces nothing later.
    """

    def on_rcpt(self, context: SmtpContext, recipient: Address, resolution: Resolution) -> Reply | None:
        """Refuse what `judge_recipient` refuses."""
        _ = recipient
        reply = judge_recipient(context.mode, context.identity, resolution)
        return None if reply.is_positive else reply


def judge_recipient(mode: Mode, identity: Identity | None, resolution: Resolution) -> Reply:
    """Return the reply to a recipient.

    Mail for others is relayed for authenticated senders only (RFC 5321 section 3.6.2).
    """
    match resolution:
        case LocalAccount() | Expansion():
            return RECIPIENT_OK
        case Unknown(reason, status):
            return Reply(550, status, (reason.capitalize(),))
        case Remote(is_unverified=is_unverified):
            if mode is Mode.SUBMISSION and identity is not None:
                return RECIPIENT_OK
            if is_unverified:
                return NOT_YET_VERIFIED
            return NOT_LOCAL if mode is Mode.LMTP else RELAY_DENIED


def site_of(resolution: Resolution) -> str:
    """Return the domain of a remote recipient; empty for a local one."""
    return resolution.domain if isinstance(resolution, Remote) else ""


def owner_of(resolution: Resolution, identity: Identity | None) -> str:
    """Return the tenant of a recipient: the owner of a local address, else the sender's tenant."""
    match resolution:
        case LocalAccount() | Expansion():
            return resolution.tenant
    assert identity is not None, "a remote recipient was taken from nobody"
    return identity.tenant


def recipient_row(
    address: Address, resolution: Resolution, identity: Identity | None, said: RcptParameters, number: int
) -> Recipient:
    """Return an accepted recipient as the client named it; the router resolves it anew."""
    tenant = owner_of(resolution, identity)
    return Recipient(address=str(address), origin=number, tenant=tenant, notify=said.notify, orcpt=said.orcpt)
