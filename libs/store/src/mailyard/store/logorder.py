"""Inserts that return their term in the replica set's log, so that one wait for the disk makes several writes durable.

Within a term a primary's log only grows at its end, and a member that has an entry has all entries before it (the log
matching property of Raft, which MongoDB's replication protocol follows). So once a majority has journaled a write,
it has journaled every earlier write of the same term: those need no wait of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure, ServerSelectionTimeoutError

from mailyard.store.client import Row, Store

_SOON: Row = {"w": 1}
_DURABLE: Row = {"w": "majority", "j": True}


@dataclass(frozen=True, slots=True)
class InsertReply:
    """The answer of the server to one insert."""

    term: (
        int | None
    )  # of the primary that wrote all rows but the refused ones; None: it may not have written them
    refused: Sequence[Row] = ()  # `writeErrors`: index, code, keyPattern, errmsg


_UNKNOWN = InsertReply(None)


async def insert_soon(store: Store, collection: str, rows: Sequence[Row]) -> InsertReply:
    """Insert rows and wait for the primary's memory only: safe as soon as a later write of the same term is.

    Raises:
        ServerSelectionTimeoutError: no primary was found.

    """
    return await _insert(store, collection, rows, _SOON)


async def insert_durably(store: Store, collection: str, rows: Sequence[Row]) -> InsertReply:
    """Insert rows and wait until a majority has journaled them.

    Raises:
        ServerSelectionTimeoutError: no primary was found.

    """
    return await _insert(store, collection, rows, _DURABLE)


async def _insert(store: Store, collection: str, rows: Sequence[Row], concern: Row) -> InsertReply:
    """Insert by the command itself, because the inserts of the driver do not return the `opTime` of the server.

    The command is not repeated here. A caller that gets no term inserts the same rows by the driver, which repeats.
    """
    command: dict[str, Any] = {"insert": collection, "documents": list(rows), "ordered": False}
    try:
        reply = await store.db.command({**command, "writeConcern": concern})
    except ServerSelectionTimeoutError:
        raise
    except (ConnectionFailure, OperationFailure):
        return _UNKNOWN
    if "writeConcernError" in reply or not store.has_one_log:
        return _UNKNOWN
    return InsertReply(reply.get("opTime", {}).get("t"), reply.get("writeErrors", ()))
