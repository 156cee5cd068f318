"""Held messages: mail that a limit of sending keeps until somebody releases or discards it.

smtp-in writes them with `Acceptance.hold`; they have no ticket, and no search for due rows or lost tickets finds them. A
decision is taken in portions, in the order of acceptance. Each row is changed on the condition that it is still held: two
decisions at the same time, or one that is repeated after a crash, decide about each message once.

A released row becomes a deferred one that is due now, with the times of a portion in the order of acceptance. The router
releases it with the others, so the release is fair between tenants and destinations (`mailyard.spool.queue.release`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import UpdateOne

from mailyard.proto.v1.ticket_pb2 import TimelineEntry
from mailyard.runtime.clock import to_ms
from mailyard.spool.outcome import Outcome, Result, ended_alike
from mailyard.spool.queue.outcomes import end_of
from mailyard.spool.row import COLLECTION, HELD_INDEX, HELD_TENANT_INDEX, RowState, ticket_of, timeline_rows
from mailyard.spool.timeline import append_event
from mailyard.store.client import Row, Store, unavailable_when_away

PORTION = 500
_STEP = timedelta(milliseconds=1)  # between the times at which released messages are due
_STAGE = "toolbox"
_REFUSED_STATUS = "5.7.1"  # RFC 3463, X.7.1: delivery not authorized, message refused


@dataclass(frozen=True, slots=True)
class HeldMail:
    """The held messages of one account; `account` is empty for mail without a login."""

    tenant: str
    account: str
    login: str
    messages: int
    recipients: int
    octets: int
    oldest: datetime
    reason: str  # of the oldest; the index gives the messages of an account in the order of acceptance


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """One held message."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    octets: int
    accepted_at: datetime
    client: str
    reason: str


class Held:
    """Decides about held messages of a tenant, of one of its accounts only if `account` is not empty."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def summary(self, tenant: str) -> list[HeldMail]:
        """Sum up the held mail of a tenant by account. Raises Unavailable."""
        stages: list[Row] = [
            {"$match": _of(tenant, "")},
            {
                "$group": {
                    "_id": "$client.account",
                    "login": {"$last": "$client.login"},
                    "messages": {"$sum": 1},
                    "recipients": {"$sum": {"$size": "$recipients"}},
                    "octets": {"$sum": "$size"},
                    "oldest": {"$min": "$accepted_at"},
                    "reason": {"$first": "$reason.text"},
                }
            },
        ]
        with unavailable_when_away():
            found = await self._store.collection(COLLECTION).aggregate(stages, hint=HELD_INDEX)
            return [
                HeldMail(
                    tenant=tenant,
                    account=row["_id"] or "",
                    login=row["login"] or "",
                    messages=row["messages"],
                    recipients=row["recipients"],
                    octets=row["octets"],
                    oldest=row["oldest"],
                    reason=row["reason"] or "",
                )
                async for row in found
            ]

    async def list(self, tenant: str, account: str, limit: int, after: str = "") -> list[HeldMessage]:
        """Return held messages in the order of acceptance. Raises Unavailable."""
        return [_message_of(row) for row in await self._portion(tenant, account, limit, after)]

    async def release(self, tenant: str, account: str, now: datetime, limit: int = PORTION) -> int:
        """Release the oldest held messages; return how many were found. Call it until that is 0. Raises Unavailable.

        `now` of a later call should be later by `limit` milliseconds: it decides the order.
        """
        rows = await self._portion(tenant, account, limit)
        step = _timeline_row(now, "message.hold_released", "")
        changes = [
            UpdateOne(
                {"_id": row["_id"], "state": RowState.HELD},
                {
                    "$set": {"state": RowState.DEFERRED, "due_at": now + number * _STEP},
                    "$unset": {"reason": ""},
                    "$push": {"timeline": step},
                },
            )
            for number, row in enumerate(rows)
        ]
        await self._write(changes)
        return len(rows)

    async def discard(
        self, tenant: str, account: str, now: datetime, *, bounce: bool = False, limit: int = PORTION
    ) -> int:
        """Discard the oldest held messages; return how many were found. Call it until that is 0. Raises Unavailable.

        Every recipient gets an outcome, so that the ledger balances. Senders get a report only with `bounce`.
        """
        rows = await self._portion(tenant, account, limit)
        await self._write([_discarded(row, now, bounce=bounce) for row in rows])
        return len(rows)

    async def _portion(self, tenant: str, account: str, limit: int, after: str = "") -> Sequence[Row]:
        query, index = _of(tenant, account), HELD_INDEX if account else HELD_TENANT_INDEX
        if after:
            query["_id"] = {"$gt": after}
        with unavailable_when_away():
            found = self._store.collection(COLLECTION).find(query, batch_size=limit)
            return await found.hint(index).sort("_id").limit(limit).to_list()

    async def _write(self, changes: Sequence[UpdateOne]) -> None:
        if changes:
            with unavailable_when_away():
                await self._store.collection(COLLECTION).bulk_write(changes, ordered=False)


def _of(tenant: str, account: str) -> Row:
    query: Row = {"state": RowState.HELD, "tenant": tenant}
    return query | {"client.account": account} if account else query


def _discarded(row: Row, now: datetime, *, bounce: bool) -> UpdateOne:
    ticket = ticket_of(row)
    detail = "the sender gets a report" if bounce else "without a report to the sender"
    append_event(ticket, now, _STAGE, "message.hold_discarded", detail)
    outcome = (
        Outcome(Result.BOUNCED, _REFUSED_STATUS, "The message was held by a sending limit and then refused")
        if bounce
        else Outcome(Result.DISCARDED, text="held by a sending limit, then discarded")
    )
    return end_of(ended_alike(ticket, outcome), now, {"$eq": RowState.HELD})


def _timeline_row(now: datetime, event: str, detail: str) -> Row:
    (row,) = timeline_rows([TimelineEntry(at_ms=to_ms(now), stage=_STAGE, event=event, detail=detail)])
    return row


def _message_of(row: Row) -> HeldMessage:
    return HeldMessage(
        id=row["_id"],
        sender=row["sender"],
        recipients=tuple(each["address"] for each in row["recipients"]),
        octets=row["size"],
        accepted_at=row["accepted_at"],
        client=row["client"].get("address", ""),
        reason=row.get("reason", {}).get("text", ""),
    )
