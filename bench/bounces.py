"""Bounces per second of the router, for messages with one unknown recipient each, on a real MongoDB.

Run: python -m bench.bounces MONGO_URL [MESSAGES]
Works in a database of its own, which it drops. Counts from the first claim until no report is due any more.
"""

import asyncio
import secrets
import sys
import time

from mailyard.broker.pipeline import Queue
from mailyard.store.client import Store
from tests.flow.parts import Flow

MESSAGES = 2000
AT_ONCE = 200


async def main(url: str, messages: int) -> None:
    """Accept and route the messages, then measure their bounces."""
    store = Store(url, f"bench-{secrets.token_hex(4)}")
    await store.start()
    try:
        flow = Flow(store)
        await flow.prepare()
        for _ in range(messages // AT_ONCE):
            await asyncio.gather(
                *(flow.accept("nobody@one.test", sender="bob@one.test") for _ in range(AT_ONCE))
            )
            await flow.route()
        began, cpu = time.monotonic(), time.process_time()
        while await flow.bouncer.work():
            pass
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        made = len(flow.broker.take(Queue.SMTP_IN_ROUTE))
        print(
            f"{made} bounces in {seconds:.2f} s: {made / seconds:.0f}/s, {1000 * cpu / made:.2f} ms of CPU each"
        )
    finally:
        await store.client.drop_database(store.db.name)
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else MESSAGES))
