"""The collection `sending`: what each account, domain and tenant has sent, and whose mail is held.

| field | holds |
|---|---|
| `_id` | `account/<id in hex>`, `domain/<name>` or `tenant/<slug>` |
| `tenant` | slug of the owner |
| `address` | of an account |
| `minute`, `hour`, `day` | recipients of one window: its `number` and the `count` |
| `messages` | messages of one day: its `number` and the `count` |
| `usual` | average of the recipients of earlier days with mail; absent: there was no such day |
| `held` | `since`, `reason`, `day`: mail beyond a limit is held; of an account all its mail, until `clear` |
| `notify_at`, `notify_tries` | when the router tells somebody of `held`; absent: it has |
| `recipients`, `jump` | of an account, its own limit (`Rates` as text) and whether a jump is looked for; absent: as the policy says |
| `until` | when the row is deleted; absent while it has `held`, `recipients` or `jump` |

Windows are of MongoDB's clock (`$$NOW`), so clocks of pods do not matter. To erase a tenant, delete its rows by `tenant`;
to erase an account or a domain, delete its row by `_id`.
"""

from collections.abc import Collection as Group
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pymongo import ASCENDING, IndexModel, UpdateOne, WriteConcern

from mailyard.directory.sending.windows import SPANS, SendingTally, Window
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "sending"
INDEXES: Final = (
    IndexModel([("until", ASCENDING)], name="expiry", expireAfterSeconds=0),
    IndexModel(
        [("tenant", ASCENDING), ("_id", ASCENDING)],
        name="held",
        partialFilterExpression={"held": {"$exists": True}},
    ),
    IndexModel(
        [("notify_at", ASCENDING)],
        name="notify",
        partialFilterExpression={"notify_at": {"$exists": True}},
    ),
    IndexModel([("tenant", ASCENDING)], name="tenant"),
)
_KEPT: Final = timedelta(days=90)
_WEIGHT: Final = 0.2  # of the last day with mail in the average


class SubjectKind(StrEnum):
    """What is counted."""

    ACCOUNT = "account"
    DOMAIN = "domain"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Sender:
    """An account (by its id in hex), domain (by its name) or tenant (by its slug) that sends."""

    kind: SubjectKind
    name: str
    tenant: str
    address: str = ""  # of an account

    @property
    def key(self) -> str:
        """Return the `_id` of its row."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Hold:
    """Since when and why mail of a sender is held."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class SendingRow:
    """A row as it was read; `now`: the time of MongoDB then."""

    sender: Sender
    tally: SendingTally
    usual: float
    hold: Hold | None
    recipients: str | None
    jump: bool | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What one process has counted since its last exchange; `hold`: why mail of the sender is held from now on."""

    sender: Sender
    tally: SendingTally
    hold: str = ""


class SendingRows:
    """All queries on the collection. Each method raises Unavailable."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)
        # A second of counts that a failed primary takes with it does no harm.
        self._counts = store.db.get_collection(COLLECTION, write_concern=WriteConcern(w=1))

    async def add(self, changes: Sequence[Change]) -> None:
        """Add counts, and hold mail, of any tenants, in one command."""
        if changes:
            with unavailable_when_away():
                await self._counts.bulk_write([entry_update(each) for each in changes], ordered=False)

    async def entry_rows(self, keys: Group[str]) -> list[SendingRow]:
        """Read the rows of some senders of any tenants that have one."""
        query = {"_id": {"$in": list(keys)}}
        with unavailable_when_away():
            rows = await self._rows.find(query, _READ, batch_size=max(len(keys), 1)).to_list()
        return [row_of(row) for row in rows]

    async def holds(self, tenant: str) -> list[SendingRow]:
        """Return whose mail of a tenant is held."""
        query = {"tenant": tenant, "held": {"$exists": True}}
        with unavailable_when_away():
            rows = await self._rows.find(query, _READ).hint("held").to_list()
        return [row_of(row) for row in rows]

    async def clear(self, tenant: str, keys: Group[str], *, learn: bool) -> None:
        """Hold mail of some senders of a tenant no longer, and count from 0 again.

        `learn`: what was counted today is usual from now on.
        """
        usual: Any = {"$max": ["$usual", "$day.count"]} if learn else "$usual"
        update: list[Row] = [
            {"$set": {"usual": usual}},
            {"$unset": ["held", "notify_at", "notify_tries", *_COUNTED]},
            {"$set": {"until": _until()}},
        ]
        with unavailable_when_away():
            await self._rows.update_many({"tenant": tenant, "_id": {"$in": list(keys)}}, update)

    async def set_exception(self, account: Sender, recipients: str | None, jump: bool | None) -> None:
        """Give an account limits of its own; None: those of the policy."""
        given = {"recipients": recipients, "jump": jump}
        update: list[Row] = [
            {
                "$set": {
                    "tenant": account.tenant,
                    "address": account.address,
                    **{
                        name: "$$REMOVE" if each is None else {"$literal": each}
                        for name, each in given.items()
                    },
                }
            },
            {"$set": {"until": _until()}},
        ]
        query = {"_id": account.key, "tenant": account.tenant}
        with unavailable_when_away():
            await self._rows.update_one(query, update, upsert=True)

    async def entry_to_notify(self, now: datetime, again: datetime) -> tuple[SendingRow, int] | None:
        """Claim one hold that nobody was told of until `again`; return it with the number of tries before."""
        with unavailable_when_away():
            row = await self._rows.find_one_and_update(
                {"notify_at": {"$lte": now}},
                {"$set": {"notify_at": again}, "$inc": {"notify_tries": 1}},
                sort=[("notify_at", ASCENDING)],
            )
        return None if row is None else (row_of(row | {"now": now}), row.get("notify_tries", 0))

    async def notify_again(self, row: SendingRow, at: datetime) -> None:
        """Set the time of the next try of a claimed hold."""
        query = {"_id": row.sender.key, "tenant": row.sender.tenant, "notify_at": {"$exists": True}}
        with unavailable_when_away():
            await self._rows.update_one(query, {"$set": {"notify_at": at}})

    async def notified(self, row: SendingRow) -> None:
        """Note that somebody was told of this hold."""
        if row.hold is not None:
            query = {"_id": row.sender.key, "tenant": row.sender.tenant, "held.since": row.hold.since}
            with unavailable_when_away():
                await self._rows.update_one(query, {"$unset": {"notify_at": "", "notify_tries": ""}})


def row_of(row: Row) -> SendingRow:
    """Read a row."""
    kind, _, name = row["_id"].partition("/")
    held = row.get("held")
    return SendingRow(
        sender=Sender(SubjectKind(kind), name, row["tenant"], row.get("address", "")),
        tally=SendingTally(*(Window(**row.get(each, {})) for each in _COUNTED)),
        usual=row.get("usual") or 0.0,
        hold=Hold(held["since"], held["reason"]) if held else None,
        recipients=row.get("recipients"),
        jump=row.get("jump"),
        now=row["now"],
    )


_COUNTED: Final = ("minute", "hour", "day", "messages")
_READ: Final = {
    **dict.fromkeys(("tenant", "address", *_COUNTED, "usual", "held", "recipients", "jump"), 1),
    "now": "$$NOW",
}
_LENGTHS: Final = {**SPANS, "messages": SPANS["day"]}


def _number(seconds: int) -> Row:
    """Return the expression for the number of the present window."""
    return {"$toLong": {"$floor": {"$divide": [{"$toLong": "$$NOW"}, seconds * 1000]}}}


def entry_update(change: Change) -> UpdateOne:
    """Count; a window that has passed begins anew, and the day that has passed goes into the average."""
    sender, today = change.sender, _number(SPANS["day"])
    fields: Row = {"tenant": sender.tenant, "usual": _usual(today)}
    if sender.address:
        fields["address"] = {"$literal": sender.address}
    for name, seconds in _LENGTHS.items():
        fields[name] = _added(name, _number(seconds), getattr(change.tally, name).count)
    stages: list[Row] = [{"$set": fields}]
    if change.hold:
        stages.append({"$set": _held(change, today)})
    stages.append({"$set": {"until": _until()}})
    return UpdateOne({"_id": sender.key}, stages, upsert=True)


def _added(name: str, number: Row, count: int) -> Row:
    newer = {"$gte": [f"${name}.number", number]}
    return {
        "$cond": [
            newer,
            {"number": f"${name}.number", "count": {"$add": [f"${name}.count", count]}},
            {"number": number, "count": count},
        ]
    }


def _usual(today: Row) -> Row:
    """The average of days with mail; a day with mail goes into it with the first mail of a later day."""
    passed = {
        "$and": [{"$gt": ["$day.number", None]}, {"$lt": ["$day.number", today]}, {"$gt": ["$day.count", 0]}]
    }
    average = {"$add": [{"$multiply": ["$usual", 1 - _WEIGHT]}, {"$multiply": ["$day.count", _WEIGHT]}]}
    return {"$cond": [passed, {"$ifNull": [average, "$day.count"]}, {"$ifNull": ["$usual", "$$REMOVE"]}]}


def _held(change: Change, today: Row) -> Row:
    """Hold an account until `clear`; a domain or tenant is marked, and somebody told, once a day."""
    known: Any = {"$gt": ["$held", None]}
    if change.sender.kind is not SubjectKind.ACCOUNT:
        known = {"$gte": ["$held.day", today]}
    hold = {"since": "$$NOW", "reason": {"$literal": change.hold}, "day": today}
    return {
        "held": {"$cond": [known, "$held", hold]},
        "notify_at": {"$cond": [known, {"$ifNull": ["$notify_at", "$$REMOVE"]}, "$$NOW"]},
    }


def _until() -> Row:
    stays = {"$or": [{"$gt": [f"${name}", None]} for name in ("held", "recipients", "jump")]}
    return {"$cond": [stays, "$$REMOVE", {"$add": ["$$NOW", int(_KEPT.total_seconds() * 1000)]}]}


def senders_of(account: str, domain: str, tenant: str, address: str) -> tuple[Sender, Sender, Sender]:
    """Return the three senders that a message of an account counts for."""
    return (
        Sender(SubjectKind.ACCOUNT, account, tenant, address),
        Sender(SubjectKind.DOMAIN, domain, tenant),
        Sender(SubjectKind.TENANT, tenant, tenant),
    )


def keys_of(senders: Iterable[Sender]) -> list[str]:
    """Return the ids of the rows of some senders."""
    return [sender.key for sender in senders]
