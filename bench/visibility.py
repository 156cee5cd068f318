"""The cost of two ways to keep UIDs in order: short transactions, and a low-water mark.

Several writers insert batches of messages into the same or into many mailboxes; the script prints messages
a second, CPU of the clients and of mongod for each mechanism. The decision is docs/adr/0005.

    python bench/visibility.py --mongo mongodb://127.0.0.1:27017/?directConnection=true --mongod-pid PID
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from bson import ObjectId
from pymongo import AsyncMongoClient, MongoClient, UpdateOne, WriteConcern
from pymongo.errors import OperationFailure

BATCH = 50
PREFIX = (
    b"Return-Path: <a@b.test>\r\nDelivered-To: c@d.test\r\nReceived: from x by y with ESMTP id z; Mon\r\n" * 3
)
DURABLE = WriteConcern(w="majority", j=True)


def messages(mailboxes: list[ObjectId]) -> dict[ObjectId, list[dict[str, Any]]]:
    """One batch, by mailbox."""
    chosen: dict[ObjectId, list[dict[str, Any]]] = {}
    for _ in range(BATCH):
        row = {
            "_id": ObjectId(),
            "flags": [],
            "size": 7000,
            "prefix": PREFIX,
            "envelope": PREFIX,
            "blob": ObjectId(),
        }
        chosen.setdefault(random.choice(mailboxes), []).append(row)
    return chosen


def number(
    chosen: dict[ObjectId, list[dict[str, Any]]], next_uid: dict[ObjectId, tuple[int, int]]
) -> list[dict[str, Any]]:
    """Give each message its UID and modseq."""
    rows = []
    for mailbox, members in chosen.items():
        uid, modseq = next_uid[mailbox]
        for offset, row in enumerate(members):
            rows.append({**row, "mailbox": mailbox, "uid": uid + offset, "modseq": modseq})
    return rows


async def transaction(db: Any, chosen: dict[ObjectId, list[dict[str, Any]]]) -> int:
    """UIDs, counters and rows become visible together."""
    retries = 0
    while True:
        async with db.client.start_session() as session:
            try:
                async with await session.start_transaction(write_concern=DURABLE):
                    await db.mailboxes.bulk_write(
                        [
                            UpdateOne({"_id": m}, {"$inc": {"uidnext": len(r), "modseq": 1, "total": len(r)}})
                            for m, r in chosen.items()
                        ],
                        ordered=False,
                        session=session,
                    )
                    found = db.mailboxes.find(
                        {"_id": {"$in": list(chosen)}}, {"uidnext": 1, "modseq": 1}, session=session
                    )
                    nexts = {
                        row["_id"]: (row["uidnext"] - len(chosen[row["_id"]]), row["modseq"])
                        async for row in found
                    }
                    await db.messages.insert_many(number(chosen, nexts), ordered=False, session=session)
                return retries
            except OperationFailure as error:
                if not error.has_error_label("TransientTransactionError"):
                    raise
                retries += 1
                await asyncio.sleep(random.random() * 0.01)


async def low_water(db: Any, chosen: dict[ObjectId, list[dict[str, Any]]]) -> int:
    """UIDs are noted as open, then written, then closed; readers stop below the lowest open one."""
    token = ObjectId()
    durable = db.with_options(write_concern=DURABLE)
    await durable.mailboxes.bulk_write(
        [
            UpdateOne(
                {"_id": m},
                [
                    {
                        "$set": {
                            "uidnext": {"$add": ["$uidnext", len(r)]},
                            "modseq": {"$add": ["$modseq", 1]},
                            "open": {
                                "$concatArrays": [
                                    {"$ifNull": ["$open", []]},
                                    [{"t": token, "uid": "$uidnext", "m": {"$add": ["$modseq", 1]}}],
                                ]
                            },
                        }
                    }
                ],
            )
            for m, r in chosen.items()
        ],
        ordered=False,
    )
    nexts = {}
    async for row in db.mailboxes.find({"_id": {"$in": list(chosen)}}, {"open": 1}):
        mine = next(entry for entry in row["open"] if entry["t"] == token)
        nexts[row["_id"]] = (mine["uid"], mine["m"])
    await durable.messages.insert_many(number(chosen, nexts), ordered=False)
    await durable.mailboxes.bulk_write(
        [
            UpdateOne({"_id": m}, {"$pull": {"open": {"t": token}}, "$inc": {"total": len(r)}})
            for m, r in chosen.items()
        ],
        ordered=False,
    )
    return 0


MECHANISMS = {"transaction": transaction, "low-water mark": low_water}


def worker(url: str, mechanism: str, ids: list[ObjectId], batches: int, results: Any) -> None:
    """One writing process."""

    async def main() -> int:
        client: Any = AsyncMongoClient(url)
        db = client.visibility_bench
        retries = 0
        for _ in range(batches):
            retries += await MECHANISMS[mechanism](db, messages(ids))
        await client.close()
        return retries

    retries = uvloop.run(main())
    used = resource.getrusage(resource.RUSAGE_SELF)
    results.put((retries, used.ru_utime + used.ru_stime))


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to measure."""

    mechanism: str
    writers: int
    mailboxes: int
    batches: int


def measure(url: str, pid: int, trial: Trial) -> None:
    """Run and print one line."""
    mechanism, writers, mailboxes, batches = trial.mechanism, trial.writers, trial.mailboxes, trial.batches
    client: Any = MongoClient(url)
    db = client.visibility_bench
    client.drop_database("visibility_bench")
    ids = [ObjectId() for _ in range(mailboxes)]
    db.mailboxes.insert_many([{"_id": i, "uidnext": 1, "modseq": 1, "total": 0} for i in ids])
    db.messages.create_index([("mailbox", 1), ("uid", 1)], unique=True)
    db.messages.create_index([("mailbox", 1), ("modseq", 1)])
    results: Any = multiprocessing.Queue()
    began, server = time.monotonic(), cpu(pid)
    running = [
        multiprocessing.Process(target=worker, args=(url, mechanism, ids, batches, results))
        for _ in range(writers)
    ]
    for process in running:
        process.start()
    outcomes = [results.get() for _ in running]
    for process in running:
        process.join()
    seconds, server = time.monotonic() - began, cpu(pid) - server
    total = writers * batches * BATCH
    assert db.messages.count_documents({}) == total
    print(
        f"{mechanism:15} writers {writers} mailboxes {mailboxes:5}: {total / seconds:7.0f}/s "
        f"client {1000 * sum(o[1] for o in outcomes) / total:.3f} ms mongod {1000 * server / total:.3f} ms retries {sum(o[0] for o in outcomes)}"
    )


def main() -> None:
    """Measure every mechanism with one, two and four writers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongo", required=True)
    parser.add_argument("--mongod-pid", type=int, required=True)
    parser.add_argument("--batches", type=int, default=60)
    chosen = parser.parse_args()
    for _ in range(2):
        for writers, mailboxes in ((1, 20), (2, 20), (4, 20), (2, 2000)):
            for mechanism in MECHANISMS:
                trial = Trial(mechanism, writers, mailboxes, chosen.batches)
                measure(chosen.mongo, chosen.mongod_pid, trial)


if __name__ == "__main__":
    main()
