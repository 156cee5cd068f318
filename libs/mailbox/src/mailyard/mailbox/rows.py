"""Rows of `mailboxes` and `messages`: collections, indexes, and conversion to values.

`account` is the first key of every index that a user waits for. The row of an expunged message stays, marked, for the
tenant's undelete window; readers leave it out, and sessions learn from it which UIDs have vanished. The row of a deleted
mailbox moves to `mailboxes_deleted`; its messages stay as they are until the window is over.
"""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from mailyard.imap.wellknown import DELETED, SEEN
from mailyard.mailbox.model import Mailbox, Message, MessageColumns, NewMessage
from mailyard.mailbox.statetext import state_text
from mailyard.mailbox.summaries import summary_in, summary_row
from mailyard.store.client import Row, Store
from mailyard.store.indexes import ensure_indexes

MAILBOXES = "mailboxes"
MESSAGES = "messages"
ACCOUNTS = "mailbox_accounts"  # found by `_id`, the account
DELETED_MAILBOXES = "mailboxes_deleted"

INDEXES = {
    MAILBOXES: [IndexModel([("account", ASCENDING), ("name", ASCENDING)], name="account_name", unique=True)],
    MESSAGES: [
        IndexModel(
            [("account", ASCENDING), ("mailbox", ASCENDING), ("uid", ASCENDING)],
            name="mailbox_uid",
            unique=True,
        ),
        # The journal of changes after a modseq. `uid` and `state` make it answer SELECT and the refresh of a session
        # without reading a message.
        IndexModel(
            [
                ("account", ASCENDING),
                ("mailbox", ASCENDING),
                ("modseq", ASCENDING),
                ("uid", ASCENDING),
                ("state", ASCENDING),
            ],
            name="mailbox_modseq_state",
        ),
        # EXPUNGE: the messages with \Deleted only.
        IndexModel(
            [("account", ASCENDING), ("mailbox", ASCENDING), ("uid", ASCENDING)],
            name="deleted",
            partialFilterExpression={"flags": DELETED},
        ),
        # The messages of a thread, in whichever mailboxes of the account (`mailyard.mailbox.accountreader`).
        IndexModel([("account", ASCENDING), ("thread_id", ASCENDING)], name="account_thread"),
        # For the sweep of bodies; no user waits for it.
        IndexModel([("blob", ASCENDING)], name="blob"),
        IndexModel(
            [("expunged_at", ASCENDING)],
            name="expunged_at",
            partialFilterExpression={"expunged_at": {"$exists": True}},
        ),
    ],
    DELETED_MAILBOXES: [IndexModel([("deleted_at", ASCENDING)], name="deleted_at")],
}
RETIRED_INDEXES = {MESSAGES: ("mailbox_modseq",)}  # a prefix of `mailbox_modseq_state`

# Fields of `Message` whose column has another name. `body` has its name from version 0.2.0.
_COLUMNS = {"id": "_id", "blob_id": "blob", "imap_body": "body"}
# The columns that a copy of a message takes over as they are, by their fields.
COPIED = {
    each.name: _COLUMNS.get(each.name, each.name)
    for each in fields(MessageColumns)
    if each.name not in ("flags", "summary")
}


async def ensure_schema(store: Store) -> None:
    """Create the indexes that are missing, then drop those that another one replaces.

    Raises:
        Unavailable: the store is unreachable.

    """
    await ensure_indexes(store, INDEXES, RETIRED_INDEXES)


def mailbox_of(row: Row) -> Mailbox:
    """Return a mailbox row as a value."""
    return Mailbox(
        id=row["_id"],
        account=row["account"],
        name=row["name"],
        uid_validity=row["uid_validity"],
        uid_next=row["uid_next"],
        highest_modseq=row["modseq"],
        total=row["total"],
        unseen=row["unseen"],
        octets=row["octets"],
        special_use=row.get("special_use"),
        recent_from=row["recent_from"],
    )


def mailbox_row(account: ObjectId, name: str, uid_validity: int, special_use: str | None = None) -> Row:
    """Return the row of a new, empty mailbox."""
    row: Row = {
        "_id": ObjectId(),
        "account": account,
        "name": name,
        "uid_validity": uid_validity,
        "uid_next": 1,
        "modseq": 1,
        "recent_from": 1,
        "total": 0,
        "unseen": 0,
        "octets": 0,
        "subscribed": False,  # read by version 0.2.0 only; the account's row has the subscriptions
    }
    if special_use:
        row["special_use"] = special_use
    return row


def message_row(message: NewMessage, mailbox: ObjectId, uid: int, modseq: int, now: datetime) -> Row:
    """Return the row of a message with its UID and modseq."""
    row: Row = {
        "_id": message.id,
        "account": message.account,
        "mailbox": mailbox,
        "uid": uid,
        "modseq": modseq,
        "flags": sorted(message.flags),
        "state": state_text(modseq, message.flags),
        "internal_date": message.internal_date,
        "saved_at": now,
        "size": message.size,
        "prefix": message.prefix,
        "blob": message.blob_id,
        "envelope": message.envelope,
        "bodystructure": message.bodystructure,
        "body": message.imap_body,
        "header_index": message.header_index,
        "part_index": message.part_index,
        "thread_id": message.thread_id,
    }
    if message.summary is not None:
        row["summary"] = summary_row(message.summary)
    return row


def projection(names: Collection[str]) -> dict[str, int]:
    """Return the projection that loads these fields of `Message` (and the UID)."""
    columns = {_COLUMNS.get(name, name) for name in names} | {"uid"}
    return dict.fromkeys(columns, 1) | ({} if "_id" in columns else {"_id": 0})


def message_of(row: Row, mailbox: Mailbox) -> Message:
    """Return a message row as a value; columns that were not loaded are empty."""
    return Message(
        id=row.get("_id", ""),
        account=mailbox.account,
        prefix=row.get("prefix", b""),
        blob_id=row.get("blob", _NO_BLOB),
        size=row.get("size", 0),
        internal_date=row.get("internal_date", _NEVER),
        envelope=row.get("envelope", b""),
        bodystructure=row.get("bodystructure", b""),
        imap_body=row.get("body", b""),
        header_index=row.get("header_index", b""),
        part_index=row.get("part_index", b""),
        thread_id=row.get("thread_id", ""),
        flags=frozenset(row.get("flags", ())),
        summary=summary_in(row.get("summary")),
        mailbox=mailbox.id,
        uid=row["uid"],
        modseq=row.get("modseq", 0),
        saved_at=row.get("saved_at", _NEVER),
        expunged=row.get("expunged", False),
    )


def new_message_of(row: Row) -> NewMessage:
    """Return a message row, with the columns `COPIED`, as a message for another mailbox."""
    columns = {field: row[column] for field, column in COPIED.items()}
    return NewMessage(**columns, flags=frozenset(row["flags"]), summary=summary_in(row.get("summary")))


def is_unseen(flags: Collection[str]) -> bool:
    """Return whether a message with these flags counts as unseen."""
    return SEEN not in flags


_NEVER = datetime.fromtimestamp(0).astimezone()
_NO_BLOB = ObjectId(b"\0" * 12)
