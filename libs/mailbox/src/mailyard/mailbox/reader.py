"""Read the messages of a mailbox: flags of all, changes, and the rows of some.

Nothing beyond a snapshot of the mailbox row is shown: queries stop below its UIDNEXT, and a message below UIDNEXT is
committed or will never exist (see `mailyard.mailbox.insertion`).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from collections.abc import Collection as Group

from bson import ObjectId
from pymongo import ASCENDING, UpdateOne

from mailyard.mailbox.flagtable import FlagTable
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import Changes, Mailbox, Message
from mailyard.mailbox.rows import MESSAGES, message_of, projection
from mailyard.mailbox.statetext import EXPUNGED, flags_in, is_expunged, state_text
from mailyard.store.client import Collection, Row, Store, unavailable_when_away

_FETCH_UIDS = 1000  # rows of one query by UIDs
_BATCH = 2_000  # index entries that are decoded at a time: a few milliseconds
_REPAIRED_AT_ONCE = 10_000  # states of messages of version 0.2.0 that one SELECT writes
_INDEXED = {"_id": 0, "uid": 1, "modseq": 1, "state": 1}  # answered from the index alone
_OWN = {"_id": 0, "uid": 1, "modseq": 1, "flags": 1, "expunged": 1}
_PRESENT: Row = {"expunged": {"$exists": False}}


class MessageReader:
    """The reading half of the repository of `messages`."""

    def __init__(self, store: Store, mailboxes: Mailboxes) -> None:
        self._store = store
        self._mailboxes = mailboxes

    @property
    def _rows(self) -> Collection:
        return self._store.collection(MESSAGES)

    async def flag_states(self, mailbox: Mailbox) -> FlagTable:
        """Return the state of every message of the snapshot, by UID, from the index alone.

        The index is in the order of modseqs, which only grow: a message whose flags change meanwhile may be read twice and
        is never missed.
        """
        query = {"uid": {"$lt": mailbox.uid_next}, "state": {"$not": {"$gte": EXPUNGED}}}
        table, _ = await self._read_journal(mailbox.account, mailbox.id, query, repair=True)
        return table

    async def _read_journal(
        self, account: ObjectId, mailbox: ObjectId, query: Row, *, repair: bool
    ) -> tuple[FlagTable, set[int]]:
        """Return the states of messages in the journal index, and the UIDs of expunged messages. `repair`: write old states."""
        query = {"account": account, "mailbox": mailbox, **query}
        table = FlagTable()
        vanished: set[int] = set()
        stale: list[int] = []
        with unavailable_when_away():
            async for row in self._rows.find(query, _INDEXED, batch_size=_BATCH).sort("modseq", ASCENDING):
                uid, modseq, state = row["uid"], row["modseq"], row.get("state")
                flags = flags_in(state, modseq)
                if flags is not None:
                    table.add(uid, modseq, flags)
                elif is_expunged(state, modseq):
                    vanished.add(uid)
                else:
                    stale.append(uid)
            async for row in self._own_fields(account, mailbox, stale, repair=repair):
                if row.get("expunged"):
                    vanished.add(row["uid"])
                else:
                    table.add(row["uid"], row["modseq"], frozenset(row["flags"]))
        await asyncio.to_thread(table.settle)
        return table, vanished

    async def _own_fields(
        self, account: ObjectId, mailbox: ObjectId, uids: Sequence[int], *, repair: bool
    ) -> AsyncIterator[Row]:
        """Read the messages whose `state` is missing or old, and write the states of some."""
        for start in range(0, len(uids), _FETCH_UIDS):
            query = {
                "account": account,
                "mailbox": mailbox,
                "uid": {"$in": uids[start : start + _FETCH_UIDS]},
            }
            found = [row async for row in self._rows.find(query, _OWN, batch_size=_FETCH_UIDS)]
            if repair and start < _REPAIRED_AT_ONCE:
                await self._repair(account, mailbox, found)
            for row in found:
                yield row

    async def _repair(self, account: ObjectId, mailbox: ObjectId, rows: Sequence[Row]) -> None:
        """Write states; a message that has changed meanwhile keeps the newer one."""
        updates = [
            UpdateOne(
                {"account": account, "mailbox": mailbox, "uid": row["uid"], "modseq": row["modseq"]},
                {"$set": {"state": state_text(row["modseq"], row["flags"])}},
            )
            for row in rows
            if not row.get("expunged")
        ]
        if updates:
            await self._rows.bulk_write(updates, ordered=False)

    async def count_from(self, mailbox: Mailbox, uid: int) -> int:
        """Count the messages of the snapshot with this UID or a higher one."""
        query = {
            "account": mailbox.account,
            "mailbox": mailbox.id,
            "uid": {"$gte": uid, "$lt": mailbox.uid_next},
            **_PRESENT,
        }
        with unavailable_when_away():
            return await self._rows.count_documents(query)

    async def changes(self, mailbox: ObjectId, account: ObjectId, since_modseq: int) -> Changes:
        """Return the changes after a modseq.

        A change that is committed during the call may be returned now, and is returned again after `highest_modseq`.

        Raises:
            MailboxNotFound: the mailbox was deleted.

        """
        snapshot = await self._mailboxes.by_id(account, mailbox)
        if snapshot.highest_modseq <= since_modseq:
            return Changes(snapshot.highest_modseq, snapshot.uid_next, FlagTable(), ())
        # No upper bound for the modseq: a message whose flags change now would drop out of the range,
        # and a higher UID would be shown before it.
        query = {"modseq": {"$gt": since_modseq}, "uid": {"$lt": snapshot.uid_next}}
        present, vanished = await self._read_journal(account, mailbox, query, repair=False)
        present.drop(vanished)
        return Changes(snapshot.highest_modseq, snapshot.uid_next, present, tuple(sorted(vanished)))

    async def fetch(
        self, mailbox: Mailbox, uids: Sequence[int], fields: Group[str]
    ) -> AsyncIterator[Message]:
        """Give the messages with these UIDs in UID order; those that were removed are left out.

        Args:
            mailbox: the snapshot that the UIDs come from.
            uids: ascending.
            fields: names of `Message` fields to load; the others are empty.

        """
        for start in range(0, len(uids), _FETCH_UIDS):
            query = {
                "account": mailbox.account,
                "mailbox": mailbox.id,
                "uid": {"$in": list(uids[start : start + _FETCH_UIDS])},
                **_PRESENT,
            }
            with unavailable_when_away():
                rows = self._rows.find(query, projection(fields), batch_size=_FETCH_UIDS).sort(
                    "uid", ASCENDING
                )
                async for row in rows:
                    yield message_of(row, mailbox)
