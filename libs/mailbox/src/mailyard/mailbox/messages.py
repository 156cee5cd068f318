"""Change the messages of a mailbox: STORE, EXPUNGE, COPY, MOVE, APPEND, each in one transaction.

As in `mailyard.mailbox.insertion`, the modseq comes from the mailbox row, which the transaction holds until it commits. So
changes become visible in the order of their modseqs.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bson import ObjectId
from pymongo import ReturnDocument, UpdateMany
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.broker.events import MailboxEvents
from mailyard.imap.wellknown import DELETED, FlagChange, is_keyword
from mailyard.mailbox.errors import MailboxNotFound
from mailyard.mailbox.insertion import (
    Insertion,
    MailboxBatch,
    MailboxGone,
    insert_messages,
    insert_numbered,
    take_numbers,
)
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import AppendResult, CopyResult, FlagState, Mailbox, NewMessage, StoreResult
from mailyard.mailbox.quota import NO_QUOTAS, Quotas, Usage, usage_of
from mailyard.mailbox.reader import MessageReader
from mailyard.mailbox.rows import COPIED, MAILBOXES, is_unseen, new_message_of
from mailyard.mailbox.statetext import expunged_text, state_text
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.runtime.clock import Clock, now_utc
from mailyard.store.client import Row, Store
from mailyard.store.transaction import in_transaction


class Messages(MessageReader):
    """The repository of `messages`."""

    def __init__(self, store: Store, events: MailboxEvents | None = None, *, clock: Clock = now_utc) -> None:
        super().__init__(store, Mailboxes(store, clock=clock))
        self._events = events
        self._clock = clock

    async def store(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        change: FlagChange,
        flags: frozenset[str],
        *,
        unchanged_since: int | None = None,
        origin: str = "",
    ) -> StoreResult:
        r"""Change flags; a message whose flags do not change keeps its modseq.

        Args:
            mailbox: the mailbox of the messages.
            uids: the messages; those that were removed are left out.
            change: replace, add or remove.
            flags: flags without \Recent.
            unchanged_since: leave messages with a higher modseq alone and return them (RFC 7162, section 3.1.3).
            origin: the writer, for the event.

        Raises:
            MailboxNotFound: the mailbox was deleted.

        """

        async def write(session: AsyncClientSession) -> StoreResult:
            rows = await self._some(mailbox, _with_uids(uids), _STATE, session)
            kept_back = tuple(
                row["uid"] for row in rows if unchanged_since is not None and row["modseq"] > unchanged_since
            )
            before = {row["uid"]: frozenset(row["flags"]) for row in rows if row["uid"] not in kept_back}
            after = {uid: changed(old, change, flags) for uid, old in before.items()}
            touched = [uid for uid in before if after[uid] != before[uid]]
            states = {row["uid"]: row["modseq"] for row in rows}
            if touched:
                unseen = sum(is_unseen(after[uid]) - is_unseen(before[uid]) for uid in touched)
                modseq = await self._count(mailbox, {"unseen": unseen}, session)
                await self._write_flags(mailbox, {uid: after[uid] for uid in touched}, modseq, session)
                states.update(dict.fromkeys(touched, modseq))
            return StoreResult(tuple(FlagState(uid, states[uid], after[uid]) for uid in after), kept_back)

        result = await in_transaction(self._store, write)
        await self._publish([mailbox], origin)
        return result

    async def expunge(
        self, mailbox: Mailbox, uids: Sequence[int] | None, origin: str = ""
    ) -> tuple[int, ...]:
        r"""Remove the messages with \Deleted, only those of `uids` if given; return their UIDs.

        Raises:
            MailboxNotFound: the mailbox was deleted.

        """
        match = {"flags": DELETED} | ({} if uids is None else _with_uids(uids))

        async def write(session: AsyncClientSession) -> tuple[int, ...]:
            rows = await self._some(mailbox, match, _COUNTED, session)
            await self._remove(mailbox, rows, session)
            return tuple(row["uid"] for row in rows)

        gone = await in_transaction(self._store, write)
        if gone:
            await self._publish([mailbox], origin)
        return gone

    async def copy(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        origin: str = "",
        *,
        quota: int | None = None,
        keywords: frozenset[str] | None = None,
    ) -> CopyResult:
        """Copy messages with their flags and dates (RFC 3501, section 6.4.7). `keywords`: the only keywords that the copies keep, if given.

        Raises:
            MailboxNotFound: the target was deleted.
            OverQuota: the account would hold more than `quota` octets.

        """

        async def write(session: AsyncClientSession) -> CopyResult:
            result, _ = await self._copy(mailbox, uids, target, session, quota=quota, keywords=keywords)
            return result

        return await self._to_target(target, write, [target], origin)

    async def move(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        origin: str = "",
        *,
        keywords: frozenset[str] | None = None,
    ) -> CopyResult:
        """Copy messages and remove them here, both or neither (RFC 6851). The quota does not limit this.

        `keywords`: the only keywords that the messages keep, if given.

        Raises:
            MailboxNotFound: the target or the mailbox was deleted.

        """

        async def write(session: AsyncClientSession) -> CopyResult:
            result, rows = await self._copy(mailbox, uids, target, session, keywords=keywords)
            await self._remove(mailbox, rows, session)
            return result

        return await self._to_target(target, write, [mailbox, target], origin)

    async def append(
        self, mailbox: Mailbox, message: NewMessage, origin: str = "", *, quota: int | None = None
    ) -> AppendResult:
        """Add a message whose body is stored. Idempotent by `message.id`.

        Raises:
            MailboxNotFound: the mailbox was deleted.
            OverQuota: the account would hold more than `quota` octets.

        """
        quotas = _quotas(message.account, quota)
        try:
            inserted = await insert_messages(
                self._store, [Insertion(mailbox.id, message)], quotas=quotas, clock=self._clock
            )
        except MailboxGone as error:
            raise MailboxNotFound(mailbox.name) from error
        await self._publish([mailbox], origin)
        if message.id in inserted:
            return AppendResult(inserted[message.id].uid_validity, inserted[message.id].uid)
        row = await self._rows.find_one({"_id": message.id, "account": message.account}, {"uid": 1})
        assert row is not None  # that is why it was not inserted
        return AppendResult(mailbox.uid_validity, row["uid"])

    async def usage(self, account: ObjectId) -> Usage:
        """Return what the account's mailboxes hold. Raises Unavailable."""
        return (await usage_of(self._store, [account]))[account]

    async def _copy(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        session: AsyncClientSession,
        *,
        quota: int | None = None,
        keywords: frozenset[str] | None,
    ) -> tuple[CopyResult, list[Row]]:
        """Count the copies in the target's row, then read and insert them in batches: a row may have 250 KiB.

        Return the rows too; the long columns are loaded only if the messages are few.
        """
        are_few = len(uids) <= _COPIED_AT_A_TIME
        rows = await self._some(mailbox, _with_uids(uids), None if are_few else _COUNTED, session)
        if not rows:
            return CopyResult(target.uid_validity, (), ()), rows
        found = [int(row["uid"]) for row in rows]
        counted = {target.id: MailboxBatch([new_message_of(_NOT_LOADED | row) for row in rows])}
        taken = await take_numbers(self._store, counted, session, _quotas(target.account, quota))
        numbers = taken[target.id]
        for start in range(0, len(found), _COPIED_AT_A_TIME):
            some = found[start : start + _COPIED_AT_A_TIME]
            whole = rows if are_few else await self._some(mailbox, _with_uids(some), None, session)
            copies = {target.id: MailboxBatch([copy_of(new_message_of(row), keywords) for row in whole])}
            given = {target.id: replace(numbers, first_uid=numbers.first_uid + start)}
            await insert_numbered(self._store, copies, given, self._clock(), session)
        last = numbers.first_uid + len(found)
        return CopyResult(numbers.uid_validity, tuple(found), tuple(range(numbers.first_uid, last))), rows

    async def _remove(self, mailbox: Mailbox, rows: Sequence[Row], session: AsyncClientSession) -> None:
        if not rows:
            return
        counts = {
            "total": -len(rows),
            "unseen": -sum(is_unseen(row["flags"]) for row in rows),
            "octets": -sum(row["size"] for row in rows),
        }
        modseq = await self._count(mailbox, counts, session)
        await self._rows.update_many(
            _these(mailbox, [row["uid"] for row in rows]),
            {
                "$set": {
                    "expunged": True,
                    "expunged_at": self._clock(),
                    "modseq": modseq,
                    "state": expunged_text(modseq),
                }
            },
            session=session,
        )

    async def _write_flags(
        self, mailbox: Mailbox, flags: Mapping[int, frozenset[str]], modseq: int, session: AsyncClientSession
    ) -> None:
        """Write flags by UID in one command: messages that end with the same flags share an update."""
        by_flags: defaultdict[frozenset[str], list[int]] = defaultdict(list)
        for uid, each in flags.items():
            by_flags[each].append(uid)
        updates = [
            UpdateMany(
                _these(mailbox, uids),
                {"$set": {"flags": sorted(each), "modseq": modseq, "state": state_text(modseq, each)}},
            )
            for each, uids in by_flags.items()
        ]
        await self._rows.bulk_write(updates, ordered=False, session=session)

    async def _count(self, mailbox: Mailbox, counts: Mapping[str, int], session: AsyncClientSession) -> int:
        """Raise the mailbox's modseq by one and its counters by `counts`; return the modseq."""
        row = await self._store.collection(MAILBOXES).find_one_and_update(
            {"_id": mailbox.id, "account": mailbox.account},
            {"$inc": {"modseq": 1, **counts}},
            projection={"modseq": 1},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if row is None:
            raise MailboxNotFound(mailbox.name)
        return int(row["modseq"])

    async def _some(
        self, mailbox: Mailbox, match: Row, fields: Mapping[str, int] | None, session: AsyncClientSession
    ) -> list[Row]:
        """Read messages that were not expunged, in UID order."""
        query = {
            "account": mailbox.account,
            "mailbox": mailbox.id,
            "expunged": {"$exists": False},
            **match,
        }
        rows = await self._rows.find(query, fields, session=session).to_list()
        return sorted(rows, key=lambda row: int(row["uid"]))

    async def _to_target(
        self,
        target: Mailbox,
        write: Callable[[AsyncClientSession], Awaitable[CopyResult]],
        written: Iterable[Mailbox],
        origin: str,
    ) -> CopyResult:
        try:
            result = await in_transaction(self._store, write)
        except MailboxGone as error:
            raise MailboxNotFound(target.name) from error
        await self._publish(written, origin)
        return result

    async def _publish(self, mailboxes: Iterable[Mailbox], origin: str) -> None:
        if self._events is not None:
            events = [
                MailboxEvent(mailbox=str(each.id), account=str(each.account), origin=origin)
                for each in mailboxes
            ]
            await self._events.publish(events)


def copy_of(message: NewMessage, keywords: frozenset[str] | None) -> NewMessage:
    """Return the message under a new id. Keywords that differ only in case are the same."""
    flags = message.flags
    if keywords is not None:
        kept = {keyword.lower() for keyword in keywords}
        flags = frozenset(flag for flag in flags if not is_keyword(flag) or flag.lower() in kept)
    return replace(message, id=str(ObjectId()), flags=flags)


def _with_uids(uids: Iterable[int]) -> Row:
    return {"uid": {"$in": list(uids)}}


def _these(mailbox: Mailbox, uids: Iterable[int]) -> Row:
    return {"account": mailbox.account, "mailbox": mailbox.id, **_with_uids(uids)}


def _quotas(account: ObjectId, quota: int | None) -> Quotas:
    return NO_QUOTAS if quota is None else {account: quota}


def changed(old: frozenset[str], change: FlagChange, flags: frozenset[str]) -> frozenset[str]:
    """Return the flags after a change."""
    match change:
        case FlagChange.REPLACE:
            return flags
        case FlagChange.ADD:
            return old | flags
        case FlagChange.REMOVE:
            return old - flags


_STATE = {"uid": 1, "modseq": 1, "flags": 1}
_COUNTED = {"uid": 1, "account": 1, "flags": 1, "size": 1}
_NOT_LOADED: Row = dict.fromkeys(COPIED.values())
_COPIED_AT_A_TIME = 100
