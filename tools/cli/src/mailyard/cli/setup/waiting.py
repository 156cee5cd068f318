"""Wait for MongoDB and RabbitMQ, and print each new reason once."""

import asyncio
from collections.abc import Awaitable, Callable

from pymongo.errors import PyMongoError

from mailyard.broker.connection import Broker
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store

PAUSE_SECONDS = 1.0

Say = Callable[[str], None]
Look = Callable[[], Awaitable[str | None]]


async def until_ready(name: str, look: Look, deadline: float, say: Say) -> None:
    """Wait until the server is ready; `deadline` is in the loop's time.

    Raises:
        Unavailable: something still does then.

    """
    reported = None
    while (reason := await look()) is not None:
        if reason != reported:
            say(f"{name}: waiting, {reason}")
            reported = reason
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(f"{name} did not become ready in time: {reason}")
        await asyncio.sleep(PAUSE_SECONDS)
    say(f"{name}: ready")


async def store_reason(store: Store) -> str | None:
    """Return why MongoDB is not ready: unreachable, unknown user, no replica set, or no primary; None when it is ready."""
    try:
        await store.ping()
        hello = await store.db.command("hello")
    except (Unavailable, PyMongoError) as error:
        return str(error).partition(", full error")[0]
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        return "it is not a member of a replica set (create one with: mailyard replica-set initiate)"
    return None


async def declare_topology(broker: Broker, deadline: float, say: Say) -> None:
    """Connect, which declares every exchange and queue.

    Raises:
        Unavailable: RabbitMQ stays unreachable.
        Misconfigured: an exchange or queue exists with other properties.

    """

    async def reason() -> str | None:
        return broker.down()

    try:
        await broker.start()
        await until_ready("RabbitMQ", reason, deadline, say)
    finally:
        await broker.close()
