"""Insert messages into mailboxes in one transaction: for delivery, APPEND, COPY and MOVE.

UIDs, modseqs, counters and rows change together, and the mailbox row is written first. So any other writer of the mailbox
waits or starts again, commits happen in the order of UIDs and modseqs, and a reader that has seen UID n + 1 in the mailbox
row finds UID n, or UID n will never exist. docs/adr/0005 has the reasons and the figures.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from mailyard.imap.wellknown import INBOX
from mailyard.mailbox.model import NewMessage
from mailyard.mailbox.quota import NO_QUOTAS, OverQuota, Quotas, require_room
from mailyard.mailbox.rows import MAILBOXES, MESSAGES, is_unseen, message_row
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.metrics import counter
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.transaction import in_transaction
from mailyard.store.watch import timed_write

_ROUNDS = 5
_DUPLICATES = counter("mailyard_mailbox_duplicates_total")
_NUMBERS = {"uid_next": 1, "modseq": 1, "uid_validity": 1, "name": 1}


class MailboxGone(LookupError):
    """Mailboxes of an insertion do not exist any more, or not under the name that was asked for."""

    def __init__(self, mailboxes: frozenset[ObjectId]) -> None:
        super().__init__(f"{len(mailboxes)} mailboxes were deleted meanwhile")
        self.mailboxes = mailboxes


@dataclass(frozen=True, slots=True)
class Insertion:
    """A message and its mailbox."""

    mailbox: ObjectId
    message: NewMessage
    name: str | None = None
    """The mailbox counts as gone when it has another name: RENAME INBOX leaves the row behind."""


@dataclass(frozen=True, slots=True)
class InsertedMessage:
    """Where a message was inserted."""

    mailbox: ObjectId
    uid: int
    uid_validity: int
    modseq: int


@dataclass(frozen=True, slots=True)
class TakenNumbers:
    """What a transaction took from a mailbox row: the first of its UIDs, and its modseq."""

    first_uid: int
    modseq: int
    uid_validity: int


@dataclass(frozen=True, slots=True)
class MailboxBatch:
    """The messages of a transaction for one mailbox, and the name that the mailbox must have, if any."""

    messages: Sequence[NewMessage]
    name: str | None = None


async def insert_messages(
    store: Store,
    insertions: Sequence[Insertion],
    *,
    quotas: Quotas = NO_QUOTAS,
    clock: Clock = now_utc,
    max_tries: int | None = None,
) -> dict[str, InsertedMessage]:
    """Insert messages in one transaction; return by message id where they are.

    Idempotent: a message whose id is in the store already is left as it is and not returned, because its id is the
    delivery key. A message that is given twice is inserted once.

    Raises:
        MailboxGone: mailboxes do not exist; nothing was inserted.
        OverQuota: messages do not fit; nothing was inserted.
        Contended: other writers changed the mailboxes at each of `max_tries` tries; nothing was inserted.
        Unavailable: the store is unreachable; all messages were inserted, or none.

    """
    left = list({each.message.id: each for each in insertions}.values())
    for _ in range(_ROUNDS):
        if not left:
            return {}
        try:
            return await _insert_all(store, left, quotas, clock(), max_tries)
        except (OverQuota, BulkWriteError, DuplicateKeyError) as error:
            known = await _known(store, [each.message.id for each in left])
            _DUPLICATES.inc(len(known))
            if not known:
                if isinstance(error, OverQuota):
                    raise
                await _raise_uid_next(store, {each.mailbox: each.message.account for each in left})
            left = [each for each in left if each.message.id not in known]
    raise Unavailable("messages could not be inserted: other writers used the same UIDs at each try")


async def _insert_all(
    store: Store,
    insertions: Sequence[Insertion],
    quotas: Quotas,
    now: datetime,
    max_tries: int | None,
) -> dict[str, InsertedMessage]:
    messages: dict[ObjectId, list[NewMessage]] = defaultdict(list)
    for each in insertions:
        messages[each.mailbox].append(each.message)
    names = {each.mailbox: each.name for each in insertions}
    batches = {mailbox: MailboxBatch(some, names[mailbox]) for mailbox, some in messages.items()}

    async def write(session: AsyncClientSession) -> dict[str, InsertedMessage]:
        numbers = await take_numbers(store, batches, session, quotas)
        return await insert_numbered(store, batches, numbers, now, session)

    with timed_write("deliver"), unavailable_when_away():
        return await in_transaction(store, write, max_tries=max_tries)


async def take_numbers(
    store: Store,
    batches: Mapping[ObjectId, MailboxBatch],
    session: AsyncClientSession,
    quotas: Quotas = NO_QUOTAS,
) -> dict[ObjectId, TakenNumbers]:
    """Raise UIDNEXT, modseq and counters of the mailboxes for messages that will be inserted.

    Raises:
        MailboxGone: mailboxes do not exist, or not under the name that was asked for.
        OverQuota: messages do not fit.

    """
    limited = {
        batch.messages[0].account
        for batch in batches.values()
        if batch.name != INBOX and batch.messages[0].account in quotas
    }
    if len(batches) == 1 and not limited:
        rows = await _count_one(store, batches, session)
    else:
        rows = await _count_many(store, batches, limited, session)
    numbers = {
        row["_id"]: TakenNumbers(
            row["uid_next"] - len(batches[row["_id"]].messages),
            row["modseq"],
            row["uid_validity"],
        )
        for row in rows
        if batches[row["_id"]].name in (None, row["name"])
    }
    if len(numbers) < len(batches):
        raise MailboxGone(frozenset(batches.keys() - numbers.keys()))
    await require_room(store, [batch.messages for batch in batches.values()], quotas, session)
    return numbers


async def insert_numbered(
    store: Store,
    batches: Mapping[ObjectId, MailboxBatch],
    numbers: Mapping[ObjectId, TakenNumbers],
    now: datetime,
    session: AsyncClientSession,
) -> dict[str, InsertedMessage]:
    """Insert the rows of messages with the numbers that were taken for them."""
    rows: list[Row] = []
    inserted: dict[str, InsertedMessage] = {}
    for mailbox, batch in batches.items():
        given = numbers[mailbox]
        for uid, message in enumerate(batch.messages, start=given.first_uid):
            rows.append(message_row(message, mailbox, uid, given.modseq, now))
            inserted[message.id] = InsertedMessage(mailbox, uid, given.uid_validity, given.modseq)
    await store.collection(MESSAGES).insert_many(rows, ordered=False, session=session)
    return inserted


async def _count_many(
    store: Store,
    batches: Mapping[ObjectId, MailboxBatch],
    limited: Collection[ObjectId],
    session: AsyncClientSession,
) -> list[Row]:
    """Count for many mailboxes in two commands. `limited`: the accounts whose INBOX rows are written too."""
    mailboxes = store.collection(MAILBOXES)
    updates = [UpdateOne(*_counting(mailbox, batch)) for mailbox, batch in batches.items()]
    updates += [
        UpdateOne({"account": account, "name": INBOX}, {"$inc": {"quota_checks": 1}}) for account in limited
    ]
    await mailboxes.bulk_write(updates, ordered=False, session=session)
    return [row async for row in mailboxes.find({"_id": {"$in": list(batches)}}, _NUMBERS, session=session)]


async def _count_one(
    store: Store, batches: Mapping[ObjectId, MailboxBatch], session: AsyncClientSession
) -> list[Row]:
    """Count for one mailbox in one command: the usual case on a system with little mail."""
    [(mailbox, batch)] = batches.items()
    query, update = _counting(mailbox, batch)
    row = await store.collection(MAILBOXES).find_one_and_update(
        query, update, projection=_NUMBERS, return_document=ReturnDocument.AFTER, session=session
    )
    return [] if row is None else [row]


def _counting(mailbox: ObjectId, batch: MailboxBatch) -> tuple[Row, Row]:
    messages = batch.messages
    counts = {
        "uid_next": len(messages),
        "modseq": 1,
        "total": len(messages),
        "unseen": sum(is_unseen(message.flags) for message in messages),
        "octets": sum(message.size for message in messages),
    }
    query: Row = {"_id": mailbox, "account": messages[0].account}
    if batch.name is not None:
        query["name"] = batch.name
    return query, {"$inc": counts}


async def _known(store: Store, ids: Sequence[str]) -> set[str]:
    with unavailable_when_away():
        return {
            row["_id"]
            async for row in store.collection(MESSAGES).find({"_id": {"$in": list(ids)}}, {"_id": 1})
        }


async def _raise_uid_next(store: Store, accounts: Mapping[ObjectId, ObjectId]) -> None:
    """Raise UIDNEXT above the messages that exist: a mailbox row was restored from an older copy."""
    with unavailable_when_away():
        for mailbox, account in accounts.items():
            highest = await store.collection(MESSAGES).find_one(
                {"account": account, "mailbox": mailbox}, {"uid": 1}, sort=[("uid", -1)]
            )
            if highest is not None:
                await store.collection(MAILBOXES).update_one(
                    {"_id": mailbox, "account": account}, {"$max": {"uid_next": highest["uid"] + 1}}
                )
