"""Which mailbox of an account a message goes to: a small cache in front of the mailboxes."""

from collections import OrderedDict
from collections.abc import Collection, Mapping

from bson import ObjectId

from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import INBOX, JUNK

_ACCOUNTS = 20_000


class Places:
    """INBOX and Junk of accounts, made when an account has none."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._known: OrderedDict[ObjectId, Mapping[str, ObjectId]] = OrderedDict()

    async def of(self, account: ObjectId, kind: str) -> ObjectId:
        """Return the id of the account's mailbox of that kind: INBOX, or Junk.

        Raises:
            Unavailable: the store is away.

        """
        known = self._known.get(account)
        if known is None or kind not in known:
            known = self._known[account] = await self._look_up(account)
            if len(self._known) > _ACCOUNTS:
                self._known.popitem(last=False)
        return known[kind]

    def forget(self, gone: Collection[ObjectId]) -> None:
        """Look up again the accounts of mailboxes that were deleted."""
        self._known = OrderedDict(
            (account, known) for account, known in self._known.items() if not set(known.values()) & set(gone)
        )

    async def _look_up(self, account: ObjectId) -> Mapping[str, ObjectId]:
        await self._mailboxes.ensure_defaults(account)
        found = await self._mailboxes.list(account)
        by_name = {mailbox.name: mailbox.id for mailbox in found}
        junk = next((mailbox.id for mailbox in found if mailbox.special_use == "\\Junk"), by_name[JUNK])
        return {INBOX: by_name[INBOX], JUNK: junk}
