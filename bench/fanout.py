"""`python -m bench.fanout`: one message to many mailboxes of one tenant, from the first octet to the last mailbox.

It starts all services on an empty directory and sends one mail of 7 KB to `--recipients` accounts, `--runs` times. It
prints the seconds until the last mailbox has the mail, and the largest memory and loop lag of any service meanwhile.

Exit code: 0 when every limit is met (3 s, 200 MiB for delivery, 0.1 s of loop lag), 1 when one is passed.
"""

import argparse
import asyncio
import shutil
import smtplib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from bench.peers import sample_message
from mailyard.mailbox.rows import MAILBOXES
from tests.hostile.watch import watching
from tests.trial import accounts
from tests.trial.instance import Instance

DOMAIN = "fanout.test"
SECONDS, DELIVERY_OCTETS, LAG_SECONDS = 3.0, 200 * 1024 * 1024, 0.1
DEADLINE_SECONDS = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Start, send, print; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fanout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipients", type=int, default=1000, help="mailboxes (default 1000)")
    parser.add_argument("--runs", type=int, default=3, help="mails, one after another (default 3)")
    parser.add_argument("--directory", type=Path, default=Path("var/bench/fanout"))
    options = parser.parse_args(arguments)
    directory = options.directory.resolve()
    shutil.rmtree(directory, ignore_errors=True)
    instance = Instance(directory, 10_000)
    instance.start()
    try:
        logins = [f"user{number:05d}" for number in range(options.recipients)]
        boxes = asyncio.run(accounts.add_accounts(instance.mongo_url, "fanout", DOMAIN, logins))
        passed = [asyncio.run(measure(instance, boxes)) for _ in range(options.runs)]
    finally:
        instance.stop()
    return 0 if all(passed) else 1


async def measure(instance: Instance, boxes: Sequence[str]) -> bool:
    """Send one mail to all boxes and print a line of figures; return whether the limits are met."""
    async with watching(instance, boxes[0]) as seen:
        with MongoClient[dict[str, Any]](instance.mongo_url) as client:
            rows = client["mailyard"].get_collection(MAILBOXES, read_concern=ReadConcern("majority"))
            seconds = await asyncio.to_thread(send_and_wait, instance, boxes, rows)
    memory, lag = seen.peak_octets["delivery"], max(seen.lag_most.values())
    print(
        f"{len(boxes)} mailboxes in {seconds:.2f} s (limit {SECONDS:g}), delivery {memory / 2**20:.0f} MiB"
        f" (limit {DELIVERY_OCTETS / 2**20:.0f}), loop lag of any service at most {lag:g} s (limit {LAG_SECONDS:g})",
        flush=True,
    )
    return seconds <= SECONDS and memory <= DELIVERY_OCTETS and lag <= LAG_SECONDS


def send_and_wait(instance: Instance, boxes: Sequence[str], rows: Any) -> float:
    """Send one mail; return the seconds from MAIL FROM until the last mailbox has it."""
    stages = [{"$match": {"name": "INBOX"}}, {"$group": {"_id": None, "total": {"$sum": "$total"}}}]
    before = next(iter(rows.aggregate(stages)), {"total": 0})["total"]
    with smtplib.SMTP("127.0.0.1", instance.ports.listener("smtp"), timeout=60) as client:
        client.ehlo("bench.test")
        begun = time.monotonic()
        refused = client.sendmail("sender@load.test", list(boxes), sample_message.compose())
    assert not refused, f"{len(refused)} recipients were refused"
    while next(iter(rows.aggregate(stages)))["total"] < before + len(boxes):
        if time.monotonic() > begun + DEADLINE_SECONDS:
            raise TimeoutError(f"not in every mailbox within {DEADLINE_SECONDS:g} s")
        time.sleep(0.02)
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
