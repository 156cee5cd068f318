"""Read an account as a whole: the changes in all of its mailboxes since a state, and the messages of threads (for JMAP).

Modseq rule: a modseq belongs to one mailbox. It grows with each transaction that changes the mailbox, under the lock of the
mailbox row, so commits and modseqs have the same order. One modseq for the account would need one row per account in every
transaction: flag changes in any mailbox would then conflict with deliveries to INBOX. So the state of an account is the
modseqs of its mailboxes together (docs/adr/0012). A comparison costs one query for the mailbox rows, and one query of the
journal index for each mailbox that has changed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bson import ObjectId

from mailyard.mailbox.errors import MailboxNotFound
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import Changes
from mailyard.mailbox.reader import MessageReader
from mailyard.mailbox.rows import MESSAGES
from mailyard.store.client import Store, unavailable_when_away

Modseqs = Mapping[ObjectId, int]  # the highest modseq of each mailbox: the state of an account


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """What changed in an account after a state. `state` is the new state; a later change is not in it."""

    state: Modseqs
    mailboxes: Mapping[ObjectId, Changes]  # those that have changed, or are new
    deleted: frozenset[ObjectId]  # mailboxes of the old state that do not exist any more


@dataclass(frozen=True, slots=True)
class ThreadMember:
    """A message of a thread."""

    id: str
    mailbox: ObjectId
    uid: int


class AccountReader:
    """Reads mailboxes and messages of an account together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mailboxes = Mailboxes(store)
        self._messages = MessageReader(store, self._mailboxes)

    async def state(self, account: ObjectId) -> Modseqs:
        """Return the state of an account. Raises Unavailable."""
        return {each.id: each.highest_modseq for each in await self._mailboxes.list(account)}

    async def changes(self, account: ObjectId, since: Modseqs) -> AccountChanges:
        """Return what changed after the state `since`; an empty `since` gives all messages.

        A change that is committed during the call may be among the changes, and is reported again after `state`. Raises
        Unavailable.
        """
        state = dict(await self.state(account))
        found: dict[ObjectId, Changes] = {}
        for mailbox, modseq in list(state.items()):
            if modseq <= since.get(mailbox, 0):
                continue
            try:
                found[mailbox] = await self._messages.changes(mailbox, account, since.get(mailbox, 0))
            except MailboxNotFound:  # deleted since the rows were read
                del state[mailbox]
            else:
                state[mailbox] = found[mailbox].highest_modseq
        return AccountChanges(state, found, frozenset(since.keys() - state.keys()))

    async def threads(
        self, account: ObjectId, thread_ids: Collection[str]
    ) -> dict[str, tuple[ThreadMember, ...]]:
        """Return the messages of threads in all mailboxes of the account, the oldest first; an unknown thread has none.

        Raises Unavailable.
        """
        mailboxes = set(await self.state(account))
        found: dict[str, list[ThreadMember]] = {each: [] for each in thread_ids}
        query = {
            "account": account,
            "thread_id": {"$in": list(thread_ids)},
            "expunged": {"$exists": False},
        }
        fields = {"mailbox": 1, "uid": 1, "thread_id": 1, "saved_at": 1}
        with unavailable_when_away():
            rows = await self._store.collection(MESSAGES).find(query, fields).to_list()
        for row in sorted(rows, key=lambda row: (row["saved_at"], row["uid"])):
            if row["mailbox"] in mailboxes:  # messages of a deleted mailbox stay for the undelete window
                found[row["thread_id"]].append(ThreadMember(row["_id"], row["mailbox"], row["uid"]))
        return {thread: tuple(members) for thread, members in found.items()}
