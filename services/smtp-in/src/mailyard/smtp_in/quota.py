"""Full mailboxes at RCPT: a recipient whose mailbox is full is refused before the message is sent.

The answer is a hint that saves the sender a bounce: it may be a few seconds old, and messages that were accepted and are not
delivered yet do not count. Delivery keeps the quota exactly.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Literal

from bson import ObjectId

from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.directory.model import Account, LocalAccount, Resolution
from mailyard.mailbox.quota import Usage, fits
from mailyard.message.address import Address
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.hooks import Asked, SmtpContext, SmtpHook

UsageOf = Callable[[Collection[ObjectId]], Awaitable[Mapping[ObjectId, Usage]]]

# RFC 3463, X.2.2: mailbox full. RFC 5321, section 4.5.3.1.10: senders repeat 452, and return the message after 552.
FULL_FOR_NOW = reply(452, "4.2.2", "The recipient's mailbox is full, please try again later")
FULL = reply(552, "5.2.2", "The recipient's mailbox is full")
_SECONDS = 5.0
_ENTRIES = 20_000


class QuotaGate(SmtpHook):
    """Asks for the usage of accounts with a quota; accounts without one cost nothing."""

    def __init__(self, usage_of: UsageOf, over_quota: Literal["defer", "refuse"], clock: Monotonic) -> None:
        """Answer as `over_quota` says; `clock` gives seconds and never goes back."""
        self._usage_of = usage_of
        self._full = FULL if over_quota == "refuse" else FULL_FOR_NOW
        self._known: TtlCache[ObjectId, Usage] = TtlCache(_ENTRIES, clock)

    def on_rcpt(self, context: SmtpContext, recipient: Address, resolution: Resolution) -> Asked:
        """Refuse a recipient whose mailbox is full."""
        _ = recipient
        if not isinstance(resolution, LocalAccount) or resolution.account.quota_bytes is None:
            return None  # what an alias stands for is checked at delivery
        return self._refusal(resolution.account, context.transaction.parameters.size)

    async def _refusal(self, account: Account, declared_octets: int) -> Reply | None:
        """Compare the quota with the usage and the declared size of the message; 0: the size is not known."""
        usage = self._known.get(account.id)
        if usage is None:
            usage = (await self._usage_of([account.id]))[account.id]
            self._known.put(account.id, usage, _SECONDS)
        return None if fits(usage, account.quota_bytes, max(1, declared_octets)) else self._full
