"""Load large data: copies of documents that the product wrote, with new keys, owners and times."""

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import MongoClient, WriteConcern
from pymongo.errors import BulkWriteError

from bench.scale.size import TENANTS, Size
from mailyard.mailbox.statetext import state_text
from mailyard.runtime.clock import now_utc
from mailyard.spool.ids import new_spool_id
from mailyard.store.client import DUPLICATE_KEY, Row, Store
from tests.flow.parts import Flow

_BATCH = 2_000
_DAYS = timedelta(days=30)
_SETTLED = timedelta(minutes=10)
BIG_SITE = "big.test"

Say = Callable[[str], None]


class Loader:
    """Fills one database."""

    def __init__(self, url: str, database: str, size: Size, say: Say) -> None:
        client = MongoClient[Row](url)
        self._db = client.get_database(database, write_concern=WriteConcern(w=1))
        self._store = Store(url, database)
        self._size = size
        self._say = say
        self._now = now_utc()
        self._bodies: list[ObjectId] = []

    async def load(self) -> None:
        """Fill the database with everything."""
        await self._store.start()
        flow = Flow(self._store)
        await flow.prepare()
        delivered = await flow.row(await _ended(flow))
        waiting = await flow.row(await flow.accept("x@remote.test", body=b"x" * 4_000))
        waiting |= {"source": "submission", "route": "remote"}
        message = await self._one("messages")
        for name, rows in (
            ("spool", self._ended_rows(delivered)),
            ("spool", self._waiting_rows(waiting)),
            ("spool", self._deferred_rows(waiting)),
            ("ledger", self._entries(await self._one("ledger"))),
            ("ledger_hours", self._hours()),
            ("ledger_hours", [{"_id": "looked", "until": self._now - _SETTLED}]),
            ("messages", self._messages(message)),
            ("mail.chunks", self._chunks()),
            ("mail.files", self._files(await self._one("mail.files"))),
            ("accounts", self._accounts(await self._one("accounts"))),
            ("addresses", self._addresses(await self._one("addresses"))),
            ("mailboxes", self._mailboxes(await self._one("mailboxes"))),
        ):
            self._insert(name, rows)
        inbox = {"_id": message["mailbox"]}
        numbers = {"uid_next": self._size.messages + 2, "modseq": self._size.messages + 2}
        await self._store.collection("mailboxes").update_one(
            inbox, {"$set": {**numbers, "total": self._size.messages + 1}}
        )
        await self._store.close()
        self._db.client.close()

    async def _one(self, collection: str) -> Row:
        row = await self._store.collection(collection).find_one({})
        assert row is not None, collection
        return row

    def _insert(self, name: str, rows: Iterable[Row]) -> None:
        began, number = time.monotonic(), 0
        for batch in _batches(rows):
            try:
                self._db[name].insert_many(batch, ordered=False)
            except BulkWriteError as error:
                if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise
            number += len(batch)
        self._say(f"loaded {number:9,} {name} in {time.monotonic() - began:.0f} s")

    def _ended_rows(self, template: Row) -> Iterator[Row]:
        for number in range(self._size.ended):
            at = self._now - _DAYS + (_DAYS - timedelta(days=6)) * number / self._size.ended
            blob = ObjectId()
            yield _row(template, at, number) | {"blob": blob, "ended_at": at + timedelta(seconds=1)}

    def _waiting_rows(self, template: Row) -> Iterator[Row]:
        for number in range(self._size.waiting):
            at = self._minute(number * self._size.minutes // self._size.waiting)
            site = f"s{number % 1000}.test"
            yield _row(template, at, number) | {"site": site, "blob": self._body(at), "due_at": at}

    def _deferred_rows(self, template: Row) -> Iterator[Row]:
        at = self._now - timedelta(days=6)  # their minutes of the ledger are not what is measured
        for number in range(self._size.deferred + self._size.deferred // 100):
            site = BIG_SITE if number < self._size.deferred else f"s{number}.test"
            due = {"due_at": at + timedelta(seconds=number / self._size.deferred), "state": "deferred"}
            yield _row(template, at, number) | due | {"route": "remote", "site": site, "pending": []}

    def _entries(self, template: Row) -> Iterator[Row]:
        share = max(1, self._size.waiting // self._size.minutes // TENANTS)
        for number in range(self._size.minutes):
            recipients = [{"tenant": f"t{tenant}", "count": share} for tenant in range(TENANTS)]
            yield template | {"_id": ObjectId(), "at": self._minute(number), "recipients": recipients}

    def _hours(self) -> Iterator[Row]:
        totals = {"accepted": 7, "expanded": 0, "became": {"delivered": 7, "in_flight": 0}}
        hour = (self._now - _DAYS).replace(minute=0, second=0, microsecond=0)
        for number in range(max(1, self._size.ended // 60 // TENANTS)):
            for tenant in range(TENANTS):
                minutes = {str(minute): totals for minute in range(60)}
                yield {"hour": hour + timedelta(hours=number), "tenant": f"t{tenant}", "minutes": minutes}

    def _messages(self, template: Row) -> Iterator[Row]:
        for uid in range(2, self._size.messages + 2):
            at = self._now - _DAYS * (uid / self._size.messages)
            flags = ["\\Seen"] if uid % 10 else []
            keys = {"_id": f"{template['account']}:{uid}", "uid": uid, "modseq": uid}
            state = {"flags": flags, "state": state_text(uid, flags)}
            yield template | keys | state | {"blob": self._body(at)}

    def _body(self, at: datetime) -> ObjectId:
        self._bodies.append(_object_id(at))
        return self._bodies[-1]

    def _all_bodies(self) -> Iterator[ObjectId]:
        for number, body in enumerate(self._bodies):
            yield body
            if number % 1000 == 0:
                yield _object_id(self._now - timedelta(days=2))

    def _chunks(self) -> Iterator[Row]:
        self._bodies.sort()
        for body in self._all_bodies():
            yield {"_id": body, "files_id": body, "n": 0, "data": b"x" * 200}

    def _files(self, template: Row) -> Iterator[Row]:
        for body in self._bodies:
            yield template | {"_id": body, "length": 200}

    def _accounts(self, template: Row) -> Iterator[Row]:
        for number in range(self._size.accounts):
            address = f"a{number}@one.test"
            yield template | {"_id": _account(number), "key": address, "address": address}

    def _addresses(self, template: Row) -> Iterator[Row]:
        for number in range(self._size.accounts):
            yield template | {"_id": f"a{number}@one.test", "account": _account(number)}

    def _mailboxes(self, template: Row) -> Iterator[Row]:
        names = ("INBOX", "Drafts", "Junk", "Sent", "Trash")
        for number in range(self._size.mailboxes):
            owner, name = divmod(number, len(names))
            yield template | {"_id": ObjectId(), "account": _account(owner), "name": names[name]}

    def _minute(self, number: int) -> datetime:
        return self._now - _SETTLED - timedelta(minutes=number)


async def _ended(flow: Flow) -> str:
    spool_id = await flow.accept("ann@one.test", body=b"Subject: x\r\n\r\n" + b"x" * 4_000)
    await flow.route()
    await flow.deliver()
    return spool_id


def _row(template: Row, at: datetime, number: int) -> Row:
    tenant = f"t{number % TENANTS}"
    recipients = [each | {"tenant": tenant} for each in template["recipients"]]
    return template | {"_id": new_spool_id(at), "accepted_at": at, "tenant": tenant, "recipients": recipients}


def _account(number: int) -> ObjectId:
    return ObjectId(struct.pack(">Q", 1) + struct.pack(">I", number))


def _object_id(at: datetime) -> ObjectId:
    return ObjectId(struct.pack(">I", int(at.timestamp())) + ObjectId().binary[4:])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
