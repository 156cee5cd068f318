"""Inserts that return their term in the replica set's log, so that one wait for the disk makes several writes durable.

Within a term a primary's log only grows at its end, and a member that has an entry has all entries before it (the log
matching property of Raft, which MongoDB's replication protocol follows). So once a majority has journaled a write,
it has journaled every earlier write of the same term: those need no wait of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import WriteConcern
from pymongo.errors import ConnectionFailure, OperationFailure, ServerSelectionTimeoutError

from mailyard.store.client import Row, Store

SOON = WriteConcern(w=1)  # wait for the memory of the primary only


@dataclass(frozen=True, slots=True)
class InsertReply:
    """The answer of the server to one insert."""

    # Of the primary that wrote all rows but the refused ones; None: it may not have written them.
    term: int | None
    refused: Sequence[Row] = ()  # `writeErrors`: index, code, keyPattern, errmsg


_UNKNOWN = InsertReply(None)


async def insert_rows(
    store: Store, collection: str, rows: Sequence[Row], concern: WriteConcern
) -> InsertReply:
    """Insert rows and wait as `concern` says; with `SOON`, rows are safe as soon as a later write of their term is.

    This sends the command itself, because the inserts of the driver do not return the `opTime` of the server. It is not
    repeated here: a caller that gets no term inserts the same rows by the driver, which repeats.

    Raises:
        ServerSelectionTimeoutError: no primary was found.

    """
    command: dict[str, Any] = {"insert": collection, "documents": list(rows), "ordered": False}
    try:
        reply = await store.db.command({**command, "writeConcern": concern.document})
    except ServerSelectionTimeoutError:
        raise
    except (ConnectionFailure, OperationFailure):
        return _UNKNOWN
    if "writeConcernError" in reply or not store.has_one_log:
        return _UNKNOWN
    return InsertReply(reply.get("opTime", {}).get("t"), reply.get("writeErrors", ()))
