"""The mailboxes of an account: list, make, rename, delete, subscribe (RFC 3501, section 6.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from mailyard.mailbox.model import INBOX, JUNK, SEPARATOR, Mailbox
from mailyard.mailbox.rows import MAILBOXES, MESSAGES, mailbox_of, mailbox_row
from mailyard.runtime.clock import Clock, now_utc
from mailyard.store.client import DUPLICATE_KEY, MAJORITY, Collection, Row, Store, unavailable_when_away
from mailyard.store.transaction import in_transaction

DEFAULTS: Mapping[str, str | None] = {
    INBOX: None,
    "Archive": "\\Archive",
    "Drafts": "\\Drafts",
    JUNK: "\\Junk",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
}


class MailboxError(Exception):
    """A mailbox command that cannot be carried out; the text is for the user."""


class NotFound(MailboxError):
    """No such mailbox (RFC 5530: NONEXISTENT)."""

    def __init__(self, name: object) -> None:
        super().__init__(f"Mailbox {name} does not exist")


class AlreadyExists(MailboxError):
    """A mailbox of that name is there (RFC 5530: ALREADYEXISTS)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Mailbox {name} exists already")


class NotPermitted(MailboxError):
    """The protocol or the name forbids it (RFC 5530: CANNOT)."""


class Mailboxes:
    """The door to `mailboxes`. Every call names the account, so none sees another's."""

    def __init__(self, store: Store, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._clock = clock

    @property
    def _rows(self) -> Collection:
        return self._store.collection(MAILBOXES)

    @property
    def _snapshots(self) -> Collection:
        """Reads that cannot be rolled back: a UID that was shown is never given again."""
        return self._store.db.get_collection(MAILBOXES, read_concern=MAJORITY)

    async def ensure_defaults(self, account: ObjectId) -> None:
        """Make INBOX and the special-use mailboxes that the account lacks."""
        present = {mailbox.name for mailbox in await self.list(account)}
        missing = [
            mailbox_row(account, name, self._clock(), special_use)
            for name, special_use in DEFAULTS.items()
            if name not in present
        ]
        if not missing:
            return
        with unavailable_when_away():
            try:
                await self._rows.insert_many(missing, ordered=False)
            except BulkWriteError as error:
                if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise

    async def list(self, account: ObjectId) -> list[Mailbox]:
        """Return the account's mailboxes by name."""
        with unavailable_when_away():
            return [mailbox_of(row) async for row in self._snapshots.find({"account": account}).sort("name")]

    async def get(self, account: ObjectId, name: str) -> Mailbox:
        """Return one mailbox; INBOX in any case.

        Raises:
            NotFound: there is none.

        """
        return await self._one({"account": account, "name": canonical(name)}, name)

    async def by_id(self, account: ObjectId, mailbox: ObjectId) -> Mailbox:
        """Return a mailbox as it is now.

        Raises:
            NotFound: it was deleted.

        """
        return await self._one({"_id": mailbox, "account": account}, mailbox)

    async def create(self, account: ObjectId, name: str, special_use: str | None = None) -> Mailbox:
        """Make a mailbox, and those above it (RFC 3501, section 6.3.3).

        Raises:
            AlreadyExists: it is there.
            NotPermitted: the name cannot be used.

        """
        name = _checked(name.removesuffix(SEPARATOR))
        present = {mailbox.name for mailbox in await self.list(account)}
        if name in present:
            raise AlreadyExists(name)
        rows = [
            mailbox_row(account, above, self._clock(), None) for above in _above(name) if above not in present
        ]
        rows.append(mailbox_row(account, name, self._clock(), special_use))
        with unavailable_when_away():
            try:
                await self._rows.insert_many(rows, ordered=False)
            except BulkWriteError as error:
                raise AlreadyExists(name) from error
        return mailbox_of(rows[-1])

    async def delete(self, account: ObjectId, name: str) -> None:
        """Delete a mailbox; its messages stay for the undelete window, its children stay (section 6.3.4).

        Raises:
            NotFound: there is none.
            NotPermitted: it is INBOX.

        """
        mailbox = await self.get(account, name)
        if mailbox.name == INBOX:
            raise NotPermitted("INBOX cannot be deleted")

        async def write(session: AsyncClientSession) -> None:
            await self._rows.delete_one({"_id": mailbox.id, "account": account}, session=session)
            await self._store.collection(MESSAGES).update_many(
                {"account": account, "mailbox": mailbox.id},
                {"$set": {"expunged": True, "expunged_at": self._clock()}},
                session=session,
            )

        await in_transaction(self._store, write)

    async def rename(self, account: ObjectId, old: str, new: str) -> None:
        """Rename a mailbox and its children; of INBOX, move the messages (section 6.3.5).

        Raises:
            NotFound: there is no mailbox of the old name.
            AlreadyExists: there is one of the new name.
            NotPermitted: the new name cannot be used.

        """
        source = await self.get(account, old)
        new = _checked(new.removesuffix(SEPARATOR))
        present = {mailbox.name: mailbox for mailbox in await self.list(account)}
        if new in present:
            raise AlreadyExists(new)
        if new.startswith(source.name + SEPARATOR):
            raise NotPermitted(f"{new} is inside {source.name}")
        made = [
            mailbox_row(account, above, self._clock(), None) for above in _above(new) if above not in present
        ]
        if source.name == INBOX:
            await self._move_inbox(source, new, made)
            return
        renamed = {
            each.id: new + each.name.removeprefix(source.name)
            for each in present.values()
            if each.name == source.name or each.name.startswith(source.name + SEPARATOR)
        }
        await self._write_names(account, renamed, made)

    async def _write_names(
        self, account: ObjectId, names: Mapping[ObjectId, str], made: Sequence[Row]
    ) -> None:
        async def write(session: AsyncClientSession) -> None:
            if made:
                await self._rows.insert_many(made, session=session)
            for mailbox, name in names.items():
                await self._rows.update_one(
                    {"_id": mailbox, "account": account}, {"$set": {"name": name}}, session=session
                )

        try:
            await in_transaction(self._store, write)
        except (BulkWriteError, DuplicateKeyError) as error:
            raise AlreadyExists(next(iter(names.values()))) from error

    async def _move_inbox(self, inbox: Mailbox, new: str, made: Sequence[Row]) -> None:
        """INBOX keeps its name and gets a new row; the old row with all messages takes the new name."""

        async def write(session: AsyncClientSession) -> None:
            await self._rows.update_one(
                {"_id": inbox.id, "account": inbox.account}, {"$set": {"name": new}}, session=session
            )
            fresh = mailbox_row(inbox.account, INBOX, self._clock(), None)
            fresh["uid_validity"] = max(fresh["uid_validity"], inbox.uid_validity + 1)
            await self._rows.insert_many([*made, fresh], session=session)

        try:
            await in_transaction(self._store, write)
        except (BulkWriteError, DuplicateKeyError) as error:
            raise AlreadyExists(new) from error

    async def subscribe(self, account: ObjectId, name: str, subscribed: bool) -> None:
        """Subscribe to a mailbox, or no longer.

        Raises:
            NotFound: there is none.

        """
        with unavailable_when_away():
            result = await self._rows.update_one(
                {"account": account, "name": canonical(name)}, {"$set": {"subscribed": subscribed}}
            )
        if not result.matched_count:
            raise NotFound(name)

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
            row = await self._snapshots.find_one(query)
        if row is None:
            raise NotFound(asked)
        return mailbox_of(row)


def canonical(name: str) -> str:
    """INBOX is one name in any case (RFC 3501, section 5.1)."""
    first, separator, rest = name.partition(SEPARATOR)
    return (INBOX if first.upper() == INBOX else first) + separator + rest


def _above(name: str) -> list[str]:
    parts = name.split(SEPARATOR)
    return [SEPARATOR.join(parts[:count]) for count in range(1, len(parts))]


def _checked(name: str) -> str:
    name = canonical(name)
    if not name or any(not part for part in name.split(SEPARATOR)):
        raise NotPermitted("A mailbox name has no empty part")
    if any(ord(char) < 0x20 or char == "\x7f" for char in name):
        raise NotPermitted("A mailbox name has no control characters")
    if len(name.encode()) > 1000:
        raise NotPermitted("A mailbox name has at most 1000 octets")
    return name
