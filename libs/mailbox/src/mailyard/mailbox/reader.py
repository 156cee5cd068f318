"""Reading the messages of a mailbox: what is there, what changed, and the rows of some.

Nothing is ever shown beyond a snapshot of the mailbox row: queries stop below its UIDNEXT, and what lies below that is
committed or will never be (see `mailyard.mailbox.place`).
"""

from collections.abc import AsyncIterator, Sequence
from collections.abc import Collection as Group

from bson import ObjectId
from pymongo import ASCENDING

from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import Changes, FlagState, Mailbox, Message
from mailyard.mailbox.rows import MESSAGES, flag_state_of, message_of, projection
from mailyard.store.client import Collection, Row, Store, unavailable_when_away

_FETCH_UIDS = 1000  # rows of one query of `fetch`
_STATE = {"_id": 0, "uid": 1, "modseq": 1, "flags": 1}
_PRESENT: Row = {"expunged": {"$exists": False}}


class MessageReader:
    """The half of the door to `messages` that changes nothing."""

    def __init__(self, store: Store, mailboxes: Mailboxes) -> None:
        self._store = store
        self._mailboxes = mailboxes

    @property
    def _rows(self) -> Collection:
        return self._store.collection(MESSAGES)

    async def flag_states(self, mailbox: Mailbox) -> list[FlagState]:
        """Return the state of every message of the snapshot, by UID."""
        query = {
            "account": mailbox.account,
            "mailbox": mailbox.id,
            "uid": {"$lt": mailbox.uid_next},
            **_PRESENT,
        }
        with unavailable_when_away():
            rows = self._rows.find(query, _STATE, batch_size=10_000).sort("uid", ASCENDING)
            return [flag_state_of(row) async for row in rows]

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
        """Return what came, changed or went after a modseq.

        A change that comes during the call may be told now, and is told again after `highest_modseq`.

        Raises:
            NotFound: the mailbox was deleted.

        """
        snapshot = await self._mailboxes.by_id(account, mailbox)
        if snapshot.highest_modseq <= since_modseq:
            return Changes(snapshot.highest_modseq, snapshot.uid_next, (), ())
        # No upper bound for the modseq: a message whose flags change now would drop out of the range,
        # and a higher UID would be shown before it.
        query = {
            "account": account,
            "mailbox": mailbox,
            "modseq": {"$gt": since_modseq},
            "uid": {"$lt": snapshot.uid_next},
        }
        present: dict[int, FlagState] = {}
        vanished: set[int] = set()
        with unavailable_when_away():
            async for row in self._rows.find(query, {**_STATE, "expunged": 1}, batch_size=10_000).sort(
                "modseq"
            ):
                if row.get("expunged"):
                    vanished.add(row["uid"])
                else:
                    present[row["uid"]] = flag_state_of(row)
        return Changes(
            snapshot.highest_modseq,
            snapshot.uid_next,
            tuple(present[uid] for uid in sorted(present) if uid not in vanished),
            tuple(sorted(vanished)),
        )

    async def fetch(
        self, mailbox: Mailbox, uids: Sequence[int], fields: Group[str]
    ) -> AsyncIterator[Message]:
        """Give the messages with these UIDs in UID order; those that are gone are left out.

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
