"""The cost of the filter for one mail of 7 KB: without rules, and with twelve patterns for the body.

Run: python bench/filter.py
Counts CPU time of everything but broker and store: reading tickets, decoding, matching, verdict, writing tickets.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bson import ObjectId

from mailyard.broker.pipeline import Queue, stage_of
from mailyard.filter.contents import ContentReader, Wish
from mailyard.filter.inspector import Inspector
from mailyard.filter.mail import Need
from mailyard.filter.pipeline import Pipeline
from mailyard.filter.rules.contentcheck import ContentCheck
from mailyard.filter.rules.patterns import Comparison, Pattern
from mailyard.filter.rules.rule import Condition, LookAt, Rule
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket, TicketBatch
from mailyard.spool.queue.stage import StageReports

WORDS = (
    "wire transfer", "unpaid invoice", "you have won", "bitcoin wallet", "urgent payment", "account suspended",
    "verify your password", "click here now", "free money", "royal prince", "gift card", "dear beneficiary",
)  # fmt: skip
BODY = (
    b"Subject: minutes\r\nFrom: a@example.org\r\nTo: b@example.com\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    + b"The quick brown fox jumps over the lazy dog, again and again.\r\n"
    * 110
)
PREFIX = (
    b"Received: from a by b with ESMTPS id 0123456789abcdefghij;\r\n\tFri, 21 Nov 2025 09:55:06 +0000\r\n"
)
BATCH = 50
ROUNDS = 60


class Bodies(ContentReader):
    """Bodies from memory."""

    def __init__(self) -> None:
        self._limits = dict.fromkeys(Need, len(BODY))

    async def read(self, wishes: Collection[Wish]) -> Mapping[ObjectId, bytes]:
        """Give the same body for each."""
        return {wish.blob_id: BODY for wish in wishes}


class Wire:
    """Takes tickets as the broker would get them."""

    async def publish(self, _queue: str, tickets: Sequence[Ticket]) -> None:
        """Serialise."""
        TicketBatch(tickets=tickets).SerializeToString()


def tickets() -> bytes:
    """A batch as it comes from the broker."""
    batch = TicketBatch()
    for _ in range(BATCH):
        batch.tickets.append(
            Ticket(
                spool_id="0123456789abcdefghij",
                tenant="acme",
                sender="a@example.org",
                recipients=[Recipient(address="b@example.com", tenant="acme", account="0" * 24)],
                blob_id=ObjectId().binary,
                size=len(BODY),
                prefix=PREFIX,
            )
        )
    return batch.SerializeToString()


async def measure(rules: RuleSet) -> float:
    """CPU microseconds for each mail."""
    check = ContentCheck(lambda: rules)
    broker: Any = Wire()
    outcomes: Any = None
    reports = StageReports(stage_of(Queue.LOCAL_FILTER), outcomes)
    inspector = Inspector(reports, Pipeline([check]), Bodies(), broker, batch_octets=1 << 24)
    wire = [tickets() for _ in range(ROUNDS)]
    began = time.process_time()
    for octets in wire:
        await inspector.handle(TicketBatch.FromString(octets).tickets)
    return (time.process_time() - began) / (ROUNDS * BATCH) * 1e6


def body_rules() -> RuleSet:
    """One rule for each word."""
    conditions = [
        Condition(LookAt.BODY, patterns=(Pattern(Comparison.CONTAINS, word, loose_space=True),))
        for word in WORDS
    ]
    return RuleSet(
        [Rule(f"rule{number}", (each,), Action.ACTION_TAG) for number, each in enumerate(conditions)]
    )


def main() -> None:
    """Measure and print."""
    for name, rules in (("without rules", RuleSet([])), ("12 body patterns", body_rules())):
        best = min(asyncio.run(measure(rules)) for _ in range(5))
        print(f"{name:20} {best:7.1f} µs CPU for each mail of {len(BODY)} octets")


if __name__ == "__main__":
    main()
