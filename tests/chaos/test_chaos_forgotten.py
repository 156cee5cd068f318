"""A broker that loses its tickets: the reconciler publishes new ones, and the mail arrives."""

import asyncio
import shlex
import signal
import time
from pathlib import Path

import aio_pika
import pytest
from pymongo import MongoClient

from mailyard.broker.pipeline import Queue
from tests.chaos.__main__ import SWITCHES
from tests.e2e.postbox import send_all
from tests.trial import accounts
from tests.trial.instance import Instance, free_port_base

MESSAGE = b"From: a@sender.test\r\nSubject: plain\r\n\r\nhello\r\n"
MAILS = 60
PATIENCE_SECONDS = 60  # the reconciler acts about 20 s after a ticket was lost


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["no-reconciler", None])
async def test_tickets_that_the_broker_forgot_are_lost_only_without_the_reconciler(
    tmp_path: Path, switch: str | None
) -> None:
    """Mail is acknowledged, and the queue with its tickets is emptied behind the back of the services."""
    with Instance(tmp_path / "local", free_port_base(), SWITCHES[switch] if switch else {}) as instance:
        [reader] = await accounts.add_accounts(instance.mongo_url, "forgotten", "forgotten.test", ["reader"])
        instance.signal("router", signal.SIGSTOP)
        try:
            await send_all(instance, reader, [(f"mail {number}", MESSAGE) for number in range(MAILS)])
            await _empty(instance, Queue.SMTP_IN_ROUTE)
        finally:
            instance.signal("router", signal.SIGCONT)
        arrived = await _arrived(instance, MAILS, PATIENCE_SECONDS)
        assert (arrived < MAILS) is (switch == "no-reconciler"), f"{arrived} of {MAILS} arrived"
        assert await accounts.unaccounted(instance.mongo_url) == 0, "a row that waits is accounted for"


async def _empty(instance: Instance, queue: Queue) -> None:
    """Drop every message of a queue; there must be some."""
    async with await aio_pika.connect(_variables(instance)["MAILYARD_AMQP_URL"]) as connection:
        channel = await (await connection.channel()).get_underlay_channel()
        assert (await channel.queue_purge(queue)).message_count


def _variables(instance: Instance) -> dict[str, str]:
    """What the instance's file for other programs exports."""
    words = shlex.split(instance.layout.environment.read_text())
    return dict(word.split("=", 1) for word in words if "=" in word)


async def _arrived(instance: Instance, expected: int, seconds: float) -> int:
    """How many mails are in mailboxes when all are, or when the time is up."""
    limit = time.monotonic() + seconds
    with MongoClient[dict[str, int]](instance.mongo_url) as client:
        messages = client["mailyard"]["messages"]
        while (found := messages.count_documents({})) < expected and time.monotonic() < limit:  # noqa: ASYNC110  # a server
            await asyncio.sleep(0.5)
    return found
