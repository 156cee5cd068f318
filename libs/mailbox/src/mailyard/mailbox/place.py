"""Put messages into mailboxes: the one way in, for delivery, APPEND, COPY and MOVE.

UIDs, modseqs, counters and rows change in one transaction, and the mailbox row is written first. So whoever else writes to
the mailbox waits or starts anew, commits happen in the order of the numbers, and a reader that has seen UID n + 1 in the
mailbox row finds n, or n will never be. docs/adr/0005 tells why a transaction, with the figures.
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
    """Mailboxes that something was to be put in do not exist any more."""

    def __init__(self, mailboxes: frozenset[ObjectId]) -> None:
        super().__init__(f"{len(mailboxes)} mailboxes were deleted meanwhile")
        self.mailboxes = mailboxes


@dataclass(frozen=True, slots=True)
class Placement:
    """A message and the mailbox that it goes to."""

    mailbox: ObjectId
    message: NewMessage
    name: str | None = None
    """The mailbox counts as gone when it has another name: RENAME INBOX leaves the row behind."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a message stands."""

    mailbox: ObjectId
    uid: int
    uid_validity: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a mailbox row gave a transaction: the first of its UIDs, and its modseq."""

    first_uid: int
    modseq: int
    uid_validity: int
    uid_next: int


@dataclass(frozen=True, slots=True)
class Intake:
    """The messages that go to one mailbox, and the name that the mailbox must have, if any."""

    messages: Sequence[NewMessage]
    name: str | None = None


async def place(
    store: Store,
    placements: Sequence[Placement],
    *,
    quotas: Quotas = NO_QUOTAS,
    clock: Clock = now_utc,
    max_tries: int | None = None,
) -> dict[str, Placed]:
    """Put messages in their mailboxes in one transaction; return the new places by message id.

    A message whose id is in the store already is left as it is and not returned: it has been delivered (its id is
    the delivery key). One that is given twice is placed once.

    Raises:
        MailboxGone: mailboxes do not exist; nothing was placed.
        OverQuota: messages do not fit; nothing was placed.
        Contended: other writers changed the mailboxes at each of `max_tries` tries; nothing was placed.
        Unavailable: the store is unreachable; nothing, or everything, was placed.

    """
    left = list({each.message.id: each for each in placements}.values())
    for _ in range(_ROUNDS):
        if not left:
            return {}
        try:
            return await _place_all(store, left, quotas, clock(), max_tries)
        except OverQuota:
            known = await _known(store, [each.message.id for each in left])
            if not known:
                raise
            _DUPLICATES.inc(len(known))
            left = [each for each in left if each.message.id not in known]
        except (BulkWriteError, DuplicateKeyError):
            known = await _known(store, [each.message.id for each in left])
            _DUPLICATES.inc(len(known))
            if not known:
                await _raise_uid_next(store, {each.mailbox: each.message.account for each in left})
            left = [each for each in left if each.message.id not in known]
    raise Unavailable("messages could not be placed: other writers used the same UIDs each time")


async def _place_all(
    store: Store,
    placements: Sequence[Placement],
    quotas: Quotas,
    now: datetime,
    max_tries: int | None,
) -> dict[str, Placed]:
    messages: dict[ObjectId, list[NewMessage]] = defaultdict(list)
    for each in placements:
        messages[each.mailbox].append(each.message)
    names = {each.mailbox: each.name for each in placements}
    intakes = {mailbox: Intake(some, names[mailbox]) for mailbox, some in messages.items()}

    async def write(session: AsyncClientSession) -> dict[str, Placed]:
        numbers = await take_numbers(store, intakes, session, quotas)
        return await insert_messages(store, intakes, numbers, now, session)

    with timed_write("deliver"), unavailable_when_away():
        return await in_transaction(store, write, max_tries=max_tries)


async def take_numbers(
    store: Store,
    intakes: Mapping[ObjectId, Intake],
    session: AsyncClientSession,
    quotas: Quotas = NO_QUOTAS,
) -> dict[ObjectId, Numbers]:
    """Raise the mailboxes' UIDNEXT, modseq and counters for messages that are about to be inserted.

    Raises:
        MailboxGone: mailboxes do not exist, or not under the name that was asked for.
        OverQuota: messages do not fit.

    """
    limited = {
        intake.messages[0].account
        for intake in intakes.values()
        if intake.name != INBOX and intake.messages[0].account in quotas
    }
    count = _count_one if len(intakes) == 1 and not limited else _count_many
    numbers = {
        row["_id"]: Numbers(
            row["uid_next"] - len(intakes[row["_id"]].messages),
            row["modseq"],
            row["uid_validity"],
            row["uid_next"],
        )
        for row in await count(store, intakes, limited, session)
        if intakes[row["_id"]].name in (None, row["name"])
    }
    if len(numbers) < len(intakes):
        raise MailboxGone(frozenset(intakes.keys() - numbers.keys()))
    await require_room(store, [intake.messages for intake in intakes.values()], quotas, session)
    return numbers


async def insert_messages(
    store: Store,
    intakes: Mapping[ObjectId, Intake],
    numbers: Mapping[ObjectId, Numbers],
    now: datetime,
    session: AsyncClientSession,
) -> dict[str, Placed]:
    """Insert messages under the numbers that were taken for them."""
    rows: list[Row] = []
    placed: dict[str, Placed] = {}
    for mailbox, intake in intakes.items():
        given = numbers[mailbox]
        for uid, message in enumerate(intake.messages, start=given.first_uid):
            rows.append(message_row(message, mailbox, uid, given.modseq, now))
            placed[message.id] = Placed(mailbox, uid, given.uid_validity, given.modseq)
    await store.collection(MESSAGES).insert_many(rows, ordered=False, session=session)
    return placed


async def _count_many(
    store: Store,
    intakes: Mapping[ObjectId, Intake],
    limited: Collection[ObjectId],
    session: AsyncClientSession,
) -> list[Row]:
    """Count for many mailboxes in two commands. `limited`: the accounts whose INBOX rows are written as well."""
    mailboxes = store.collection(MAILBOXES)
    updates = [UpdateOne(*_counting(mailbox, intake)) for mailbox, intake in intakes.items()]
    updates += [
        UpdateOne({"account": account, "name": INBOX}, {"$inc": {"quota_checks": 1}}) for account in limited
    ]
    await mailboxes.bulk_write(updates, ordered=False, session=session)
    return [row async for row in mailboxes.find({"_id": {"$in": list(intakes)}}, _NUMBERS, session=session)]


async def _count_one(
    store: Store, intakes: Mapping[ObjectId, Intake], _: Collection[ObjectId], session: AsyncClientSession
) -> list[Row]:
    """Count for one mailbox in one command: what a quiet system does mostly."""
    [(mailbox, intake)] = intakes.items()
    query, update = _counting(mailbox, intake)
    row = await store.collection(MAILBOXES).find_one_and_update(
        query, update, projection=_NUMBERS, return_document=ReturnDocument.AFTER, session=session
    )
    return [] if row is None else [row]


def _counting(mailbox: ObjectId, intake: Intake) -> tuple[Row, Row]:
    messages = intake.messages
    counts = {
        "uid_next": len(messages),
        "modseq": 1,
        "total": len(messages),
        "unseen": sum(is_unseen(message.flags) for message in messages),
        "octets": sum(message.size for message in messages),
    }
    query: Row = {"_id": mailbox, "account": messages[0].account}
    if intake.name is not None:
        query["name"] = intake.name
    return query, {"$inc": counts}


async def _known(store: Store, ids: Sequence[str]) -> set[str]:
    with unavailable_when_away():
        return {
            row["_id"]
            async for row in store.collection(MESSAGES).find({"_id": {"$in": list(ids)}}, {"_id": 1})
        }


async def _raise_uid_next(store: Store, accounts: Mapping[ObjectId, ObjectId]) -> None:
    """Lift UIDNEXT over the messages that exist: a mailbox row was put back from an older copy."""
    with unavailable_when_away():
        for mailbox, account in accounts.items():
            highest = await store.collection(MESSAGES).find_one(
                {"account": account, "mailbox": mailbox}, {"uid": 1}, sort=[("uid", -1)]
            )
            if highest is not None:
                await store.collection(MAILBOXES).update_one(
                    {"_id": mailbox, "account": account}, {"$max": {"uid_next": highest["uid"] + 1}}
                )
