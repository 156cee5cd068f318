"""One change of an account's mailboxes within a transaction, for the commands of `Mailboxes`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.imap.wellknown import INBOX, SEPARATOR
from mailyard.mailbox.account import MAX_SUBSCRIPTIONS, AccountState, state_of, uid_validities
from mailyard.mailbox.errors import MailboxExists, MailboxLimitReached, MailboxNotFound, NotPermitted
from mailyard.mailbox.model import DEFAULTS, JUNK
from mailyard.mailbox.names import checked, names_above
from mailyard.mailbox.rows import ACCOUNTS, DELETED_MAILBOXES, MAILBOXES, mailbox_row
from mailyard.runtime.clock import Clock
from mailyard.store.client import Row, Store

MAX_MAILBOXES = 10_000  # of an account


class AccountChange:
    """One change of an account's mailboxes, in its transaction: `load`, one of the commands, `save`."""

    def __init__(self, store: Store, account: ObjectId, clock: Clock, session: AsyncClientSession) -> None:
        self._account = account
        self._clock = clock
        self._session = session
        self._rows = store.collection(MAILBOXES)
        self._deleted = store.collection(DELETED_MAILBOXES)
        self._accounts = store.collection(ACCOUNTS)
        self._state = AccountState()
        self._by_name: dict[str, Row] = {}

    async def load(self) -> None:
        """Read the account's mailboxes and its row."""
        rows = self._rows.find({"account": self._account}, session=self._session)
        self._by_name = {row["name"]: row async for row in rows}
        row = await self._accounts.find_one({"_id": self._account}, session=self._session)
        self._state = state_of(row, self._by_name.values())

    async def save(self) -> None:
        """Write the account's row. `changes` makes two transactions with equal values conflict as well."""
        state = {
            "uid_validity": self._state.uid_validity,
            "subscriptions": sorted(self._state.subscriptions),
            "defaults_made": self._state.defaults_made,
        }
        await self._accounts.update_one(
            {"_id": self._account},
            {"$set": state, "$inc": {"changes": 1}},
            upsert=True,
            session=self._session,
        )

    async def make_defaults(self) -> None:
        """Create the mailboxes of `Mailboxes.ensure_defaults`."""
        uses = {row.get("special_use") for row in self._by_name.values()}
        wanted = {INBOX: None} if self._state.defaults_made else DEFAULTS
        for name, use in wanted.items():
            if use is not None and use in uses:
                continue
            if name not in self._by_name:
                await self._insert([(name, use)], limited=False)
                self._subscribe_to([name])
            elif use is not None:
                await self._rows.update_one(
                    {"_id": self._by_name[name]["_id"], "account": self._account},
                    {"$set": {"special_use": use}},
                    session=self._session,
                )
        self._state = replace(self._state, defaults_made=True)

    async def make_junk(self) -> Row:
        """Create the mailbox for suspicious mail, unless another process was faster."""
        for row in self._by_name.values():
            if row.get("special_use") == DEFAULTS[JUNK] or row["name"] == JUNK:
                return row
        self._subscribe_to([JUNK])
        return await self._insert([(JUNK, DEFAULTS[JUNK])], limited=False)

    async def create(self, name: str, special_use: str | None) -> Row:
        """Create a mailbox and those above it."""
        if name in self._by_name:
            raise MailboxExists(name)
        return await self._insert([*self._missing_above(name), (name, special_use)])

    async def delete(self, name: str) -> None:
        """Move the row of a mailbox to `mailboxes_deleted`."""
        row = self._by_name.get(name)
        if row is None:
            raise MailboxNotFound(name)
        await self._deleted.insert_one({**row, "deleted_at": self._clock()}, session=self._session)
        await self._rows.delete_one({"_id": row["_id"], "account": self._account}, session=self._session)

    async def rename(self, old: str, new: str) -> None:
        """Rename a mailbox and its children, or move the messages of INBOX."""
        if new in self._by_name:
            raise MailboxExists(new)
        if old == INBOX:
            await self._move_inbox(new)
        else:
            await self._move_tree(old, new)

    async def _move_tree(self, old: str, new: str) -> None:
        # Short names first: when "a/b" becomes "a", it goes before "a/b/b" takes its name.
        moved = {
            name: new + name.removeprefix(old)
            for name in sorted(self._by_name, key=len)
            if name == old or name.startswith(old + SEPARATOR)
        }
        if not moved:
            raise MailboxNotFound(old)
        if new.startswith(old + SEPARATOR):
            raise NotPermitted(f"{new} is inside {old}")
        for target in moved.values():
            if target in self._by_name and target not in moved:
                raise MailboxExists(target)
            checked(target)
        await self._insert(self._missing_above(new))
        await self._rename({self._by_name[name]["_id"]: target for name, target in moved.items()})
        self._subscribe_too(moved)

    async def _move_inbox(self, new: str) -> None:
        """Give the row of INBOX, with all messages, the new name, and INBOX a new row; its children stay."""
        inbox = self._by_name.get(INBOX)
        if inbox is None:
            raise MailboxNotFound(INBOX)
        await self._insert(self._missing_above(new))
        await self._rename({inbox["_id"]: new})
        del self._by_name[INBOX]
        await self._insert([(INBOX, None)])
        self._subscribe_too({INBOX: new})

    async def _rename(self, names: Mapping[ObjectId, str]) -> None:
        """Rename mailboxes in this order, each with a new UIDVALIDITY: another mailbox may have had the name before."""
        updates = [
            UpdateOne(
                {"_id": mailbox, "account": self._account},
                {"$set": {"name": name, "uid_validity": uid_validity}},
            )
            for (mailbox, name), uid_validity in zip(names.items(), self._take(len(names)), strict=True)
        ]
        await self._rows.bulk_write(updates, session=self._session)

    async def subscribe(self, name: str, subscribed: bool) -> None:
        """Subscribe to a name, or unsubscribe."""
        if not subscribed:
            self._state = replace(self._state, subscriptions=self._state.subscriptions - {name})
            return
        if not any(each == name or each.startswith(name + SEPARATOR) for each in self._by_name):
            raise MailboxNotFound(name)
        self._subscribe_to([name])
        if len(self._state.subscriptions) > MAX_SUBSCRIPTIONS:
            raise MailboxLimitReached(f"An account has at most {MAX_SUBSCRIPTIONS} subscriptions")

    def _subscribe_to(self, names: Iterable[str]) -> None:
        self._state = replace(self._state, subscriptions=self._state.subscriptions | set(names))

    def _subscribe_too(self, renamed: Mapping[str, str]) -> None:
        """Subscribe to the new names of subscribed mailboxes, up to the limit; the old names stay too.

        A server never removes a name by itself (section 6.3.6), but a client that shows subscribed mailboxes only must not
        lose a mailbox by RENAME.
        """
        room = MAX_SUBSCRIPTIONS - len(self._state.subscriptions)
        new = (renamed[name] for name in renamed.keys() & self._state.subscriptions)
        self._subscribe_to(islice(new, max(0, room)))

    def _missing_above(self, name: str) -> list[tuple[str, None]]:
        return [(above, None) for above in names_above(name) if above not in self._by_name]

    async def _insert(self, mailboxes: Sequence[tuple[str, str | None]], *, limited: bool = True) -> Row:
        """Insert mailboxes by name and special use; return the last row.

        `limited`: within the limit of mailboxes. Mailboxes that delivery needs have no limit.
        """
        if limited and len(self._by_name) + len(mailboxes) > MAX_MAILBOXES:
            raise MailboxLimitReached(f"An account has at most {MAX_MAILBOXES} mailboxes")
        rows = [
            mailbox_row(self._account, name, uid_validity, use)
            for (name, use), uid_validity in zip(mailboxes, self._take(len(mailboxes)), strict=True)
        ]
        if rows:
            await self._rows.insert_many(rows, session=self._session)
        self._by_name |= {row["name"]: row for row in rows}
        return rows[-1] if rows else {}

    def _take(self, count: int) -> range:
        taken = uid_validities(self._state.uid_validity, self._clock(), count)
        if count:
            self._state = replace(self._state, uid_validity=taken[-1])
        return taken
