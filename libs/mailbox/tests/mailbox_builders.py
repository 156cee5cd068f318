"""Stores, messages and clocks for the tests of mailboxes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import Mailbox, NewMessage
from mailyard.mailbox.rows import ensure_schema
from mailyard.store.client import Row, Store

MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = int(MOMENT.timestamp())


class ManualClock:
    """A clock that stands until a test moves it, in either direction."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@asynccontextmanager
async def open_store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    yield store
    await store.close()


def message(
    account: ObjectId, *, key: str | None = None, size: int = 100, flags: Sequence[str] = ()
) -> NewMessage:
    return NewMessage(
        id=key or str(ObjectId()),
        account=account,
        prefix=b"P: p\r\n",
        blob_id=ObjectId(),
        size=size,
        internal_date=MOMENT,
        envelope=b"()",
        bodystructure=b"()",
        imap_body=b"()",
        header_index=b"",
        part_index=b"",
        flags=frozenset(flags),
    )


async def fill(store: Store, mailbox: Mailbox, count: int, size: int = 100) -> Mailbox:
    """Add messages; return the mailbox as it is then."""
    await insert_messages(
        store, [Insertion(mailbox.id, message(mailbox.account, size=size)) for _ in range(count)]
    )
    return await Mailboxes(store).by_id(mailbox.account, mailbox.id)


async def old_mailbox(store: Store, account: ObjectId, name: str, **fields: object) -> ObjectId:
    """Insert a mailbox row as version 0.2.0 wrote it."""
    row: Row = {
        "_id": ObjectId(),
        "account": account,
        "name": name,
        "uid_validity": SECOND,
        "uid_next": 1,
        "modseq": 1,
        "recent_from": 1,
        "total": 0,
        "unseen": 0,
        "octets": 0,
        "subscribed": True,
        **fields,
    }
    await store.collection("mailboxes").insert_one(row)
    identity: ObjectId = row["_id"]
    return identity
