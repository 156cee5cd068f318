"""The mailboxes of an account: list, create, rename, delete, subscribe (RFC 3501, section 6.3).

Every change is one transaction that also writes the account's row (`mailyard.mailbox.account`), so changes of one account
follow one another, in whichever processes they are made.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.imap.wellknown import INBOX, SEPARATOR
from mailyard.mailbox.account import has_defaults, state_of
from mailyard.mailbox.change import AccountChange
from mailyard.mailbox.errors import MailboxNotFound, NotPermitted
from mailyard.mailbox.model import DEFAULTS, JUNK, Mailbox
from mailyard.mailbox.names import canonical, checked
from mailyard.mailbox.rows import ACCOUNTS, MAILBOXES, mailbox_of
from mailyard.runtime.clock import Clock, now_utc
from mailyard.store.client import MAJORITY, Collection, Store, unavailable_when_away
from mailyard.store.transaction import in_transaction

R = TypeVar("R")


class Mailboxes:
    """The repository of `mailboxes`. Every call names the account, so no account sees another's mailboxes."""

    def __init__(self, store: Store, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._clock = clock

    @property
    def _rows(self) -> Collection:
        return self._store.collection(MAILBOXES)

    def _snapshots(self, collection: str = MAILBOXES) -> Collection:
        """Return the collection with majority reads: a UID that was shown is never given to another message."""
        return self._store.db.get_collection(collection, read_concern=MAJORITY)

    async def ensure_defaults(self, account: ObjectId) -> None:
        """Create INBOX when it is missing, and the special-use mailboxes of an account that never had them.

        A special-use mailbox that the user renamed keeps its use; one that the user deleted stays deleted.
        """
        present = await self.list(account)
        uses = {each.special_use for each in present}
        has_inbox = any(each.name == INBOX for each in present)
        if has_inbox and has_defaults(uses):
            return
        if has_inbox:
            with unavailable_when_away():
                row = await self._snapshots(ACCOUNTS).find_one({"_id": account}, {"defaults_made": 1})
            if row is not None and row.get("defaults_made"):
                return
        await self._change(account, lambda change: change.make_defaults())

    async def junk(self, account: ObjectId) -> Mailbox:
        r"""Return the mailbox for suspicious mail: the oldest with \Junk, else the one of that name, else a new one."""
        present = await self.list(account)
        by_use = [each for each in present if each.special_use == DEFAULTS[JUNK]]
        found = min(by_use, key=lambda each: each.id, default=None) or next(
            (each for each in present if each.name == JUNK), None
        )
        return found or mailbox_of(await self._change(account, lambda change: change.make_junk()))

    async def list(self, account: ObjectId) -> list[Mailbox]:
        """Return the account's mailboxes by name."""
        with unavailable_when_away():
            rows = self._snapshots().find({"account": account}).sort("name")
            return [mailbox_of(row) async for row in rows]

    async def subscriptions(self, account: ObjectId) -> frozenset[str]:
        """Return the subscribed names, also those without a mailbox."""
        with unavailable_when_away():
            row = await self._snapshots(ACCOUNTS).find_one({"_id": account})
            mailboxes = [] if row else await self._snapshots().find({"account": account}).to_list()
        return state_of(row, mailboxes).subscriptions

    async def get(self, account: ObjectId, name: str) -> Mailbox:
        """Return one mailbox; INBOX in any case.

        Raises:
            MailboxNotFound: there is none.

        """
        return await self._one({"account": account, "name": canonical(name)}, name)

    async def by_id(self, account: ObjectId, mailbox: ObjectId) -> Mailbox:
        """Return a mailbox as it is now.

        Raises:
            MailboxNotFound: it was deleted.

        """
        return await self._one({"_id": mailbox, "account": account}, mailbox)

    async def highest_modseqs(self, mailboxes: Iterable[ObjectId]) -> dict[ObjectId, int]:
        """Return the highest modseq of each mailbox that exists, in one query: for mailboxes of many accounts."""
        with unavailable_when_away():
            rows = self._snapshots().find({"_id": {"$in": list(mailboxes)}}, {"modseq": 1})
            return {row["_id"]: row["modseq"] async for row in rows}

    async def create(self, account: ObjectId, name: str, special_use: str | None = None) -> Mailbox:
        """Create a mailbox, and those above it (RFC 3501, section 6.3.3). CREATE does not subscribe.

        Raises:
            MailboxExists: the name is taken.
            NotPermitted: the name cannot be used.
            MailboxLimitReached: the account has `MAX_MAILBOXES` mailboxes.

        """
        name = checked(name.removesuffix(SEPARATOR))
        return mailbox_of(await self._change(account, lambda change: change.create(name, special_use)))

    async def delete(self, account: ObjectId, name: str) -> None:
        """Delete a mailbox in one step, however large it is; its children stay (section 6.3.4).

        The row moves to `mailboxes_deleted`. Nothing reads a message without the row of its mailbox, so all messages are
        gone at once; the messages and the row are purged after the undelete window (`mailyard.mailbox.retention`).

        Raises:
            MailboxNotFound: there is none.
            NotPermitted: it is INBOX.

        """
        name = canonical(name)
        if name == INBOX:
            raise NotPermitted("INBOX cannot be deleted")
        await self._change(account, lambda change: change.delete(name))

    async def rename(self, account: ObjectId, old: str, new: str) -> None:
        """Rename a mailbox and its children; of INBOX, move the messages (section 6.3.5).

        Each renamed mailbox gets a new UIDVALIDITY, because the name may have belonged to another mailbox before.

        Raises:
            MailboxNotFound: there is no mailbox of the old name, and none below it.
            MailboxExists: the new name is taken.
            NotPermitted: the new name cannot be used.
            MailboxLimitReached: the account has `MAX_MAILBOXES` mailboxes.

        """
        old, new = canonical(old), checked(new.removesuffix(SEPARATOR))
        await self._change(account, lambda change: change.rename(old, new))

    async def subscribe(self, account: ObjectId, name: str, subscribed: bool) -> None:
        """Subscribe to a name, or unsubscribe. A name stays subscribed when its mailbox is deleted (section 6.3.6).

        Raises:
            MailboxNotFound: subscribed to a name without a mailbox and without mailboxes below it.
            MailboxLimitReached: the account has `MAX_SUBSCRIPTIONS` subscriptions.

        """
        name = canonical(name)
        await self._change(account, lambda change: change.subscribe(name, subscribed))

    async def _change(self, account: ObjectId, work: Callable[[AccountChange], Awaitable[R]]) -> R:
        async def write(session: AsyncClientSession) -> R:
            change = AccountChange(self._store, account, self._clock, session)
            await change.load()
            result = await work(change)
            await change.save()
            return result

        return await in_transaction(self._store, write)

    async def claim_recent(self, mailbox: Mailbox) -> int:
        r"""Return the first UID that is \Recent for this session; later sessions get those that come later."""
        with unavailable_when_away():
            before = await self._rows.find_one_and_update(
                {"_id": mailbox.id, "account": mailbox.account},
                {"$max": {"recent_from": mailbox.uid_next}},
                projection={"recent_from": 1},
                return_document=ReturnDocument.BEFORE,
            )
        return before["recent_from"] if before else mailbox.uid_next

    async def _one(self, query: Mapping[str, Any], asked: object) -> Mailbox:
        with unavailable_when_away():
            row = await self._snapshots().find_one(query)
        if row is None:
            raise MailboxNotFound(asked)
        return mailbox_of(row)
