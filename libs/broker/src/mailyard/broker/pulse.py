"""Finds a connection that is open and dead: a question goes out every few seconds, and an answer must come.

The AMQP heartbeat is long on purpose. The broker must not drop a process that pauses for ten seconds (a throttled node, a
stopped container), because each drop redelivers everything that the process has prefetched. This question finds a stalled
network or broker sooner, after `LONGEST_STALL_SECONDS` at most.
"""

import asyncio
from collections.abc import Awaitable, Callable

PULSE_SECONDS = 3.0
ANSWER_SECONDS = 6.0  # with the next below RPC_SECONDS: an RPC that times out is no answer
OWN_PAUSE_SECONDS = 2.0  # after a pause of this process, the answer may wait in the socket behind the timer
LONGEST_STALL_SECONDS = PULSE_SECONDS + ANSWER_SECONDS + OWN_PAUSE_SECONDS

Step = Callable[[], Awaitable[object]]


async def wait_for_silence(
    may_ask: Step, ask: Step, *, pulse_seconds: float = PULSE_SECONDS, answer_seconds: float = ANSWER_SECONDS
) -> None:
    """Ask again and again; return when a question stays without answer.

    Args:
        may_ask: returns when a question may be asked; may take any time.
        ask: one question. An error is an answer too.
        pulse_seconds: the time between an answer and the next question.
        answer_seconds: the time for an answer.

    """
    while True:
        await asyncio.sleep(pulse_seconds)
        await may_ask()
        question = asyncio.ensure_future(ask())
        try:
            await asyncio.wait((question,), timeout=answer_seconds)
            await asyncio.wait((question,), timeout=OWN_PAUSE_SECONDS)
        finally:
            answered = question.done()
            question.cancel()
        if not answered:
            return
        if (
            not question.cancelled()
        ):  # a closing channel ends its calls with CancelledError: that is an answer too
            question.exception()
