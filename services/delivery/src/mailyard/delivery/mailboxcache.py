"""Cache of the mailbox ids of accounts, by the kind of mailbox."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Sequence

from bson import ObjectId

from mailyard.imap.wellknown import INBOX
from mailyard.mailbox.insertion import Insertion
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import NewMessage

_MAILBOXES = 20_000


class MailboxCache:
    """INBOX and Junk of accounts, created when an account has none.

    Entries do not expire. An insertion fails with `MailboxGone` when the mailbox was deleted, or when INBOX was renamed;
    after `forget` the next insertion looks it up again. Junk is found by its special use, so it stays the same mailbox
    when it is renamed.
    """

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._known: OrderedDict[tuple[ObjectId, str], ObjectId] = OrderedDict()

    async def insertions(self, messages: Sequence[tuple[str, NewMessage]]) -> list[Insertion]:
        """Return where messages go, each given with its kind of mailbox, INBOX or Junk.

        Raises:
            Unavailable: the store is unreachable.

        """
        wanted = list(dict.fromkeys((message.account, kind) for kind, message in messages))
        found = await asyncio.gather(*(self.of(account, kind) for account, kind in wanted))
        mailboxes = dict(zip(wanted, found, strict=True))
        return [
            Insertion(mailboxes[message.account, kind], message, INBOX if kind == INBOX else None)
            for kind, message in messages
        ]

    async def of(self, account: ObjectId, kind: str) -> ObjectId:
        """Return the id of the account's mailbox of that kind. Raises Unavailable."""
        known = self._known.get((account, kind))
        if known is None:
            known = self._known[account, kind] = await self._look_up(account, kind)
            if len(self._known) > _MAILBOXES:
                self._known.popitem(last=False)
        return known

    def forget(self, gone: Collection[ObjectId]) -> None:
        """Remove entries, so that these mailboxes are looked up again."""
        self._known = OrderedDict(
            (key, mailbox) for key, mailbox in self._known.items() if mailbox not in gone
        )

    async def _look_up(self, account: ObjectId, kind: str) -> ObjectId:
        await self._mailboxes.ensure_defaults(account)
        if kind == INBOX:
            return (await self._mailboxes.get(account, INBOX)).id
        return (await self._mailboxes.junk(account)).id
