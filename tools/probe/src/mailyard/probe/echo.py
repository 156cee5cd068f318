"""Send mail for the local part `echo` back to its sender, so that a canary tests sending and receiving.

An echo has the null reverse-path and a header field of its own. Mail that has either is never echoed: no loop can
begin (RFC 3834, section 2, and RFC 5321, section 6.3).
"""

import asyncio
import smtplib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from mailyard.probe.boxes import Box, Taken
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.logs import get_logger

LOCAL_PART: Final = "echo"
FIELD: Final = "X-Mailyard-Echo"
WAITING: Final = 100  # mails in memory at most
PAUSES_SECONDS: Final = (0.2, 1.0, 5.0)  # before the second, third and fourth try
_SMTP_SECONDS: Final = 10.0
_ECHOED: Final = f"{FIELD.lower()}:".encode()

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Echo:
    """One mail on its way back."""

    recipient: str
    octets: bytes


def echo_of(taken: Taken) -> Echo | None:
    """Return the echo of a mail; None unless it has a sender, a recipient `echo`, and is no echo itself."""
    asked = next((to for to in taken.recipients if to.partition("@")[0].lower() == LOCAL_PART), None)
    if asked is None or not taken.sender or _is_echo(taken.octets):
        return None
    head = f"{FIELD}: {asked}\r\nAuto-Submitted: auto-replied\r\n".encode()
    return Echo(taken.sender, head + taken.octets)


def _is_echo(octets: bytes) -> bool:
    header = octets.partition(b"\r\n\r\n")[0]
    return any(line.lower().startswith(_ECHOED) for line in header.split(b"\r\n"))


def send_echo(server: Endpoint, echo: Echo) -> None:
    """Give one mail to an MX listener. Raises OSError or SMTPException."""
    with smtplib.SMTP(server.host, server.port, timeout=_SMTP_SECONDS) as client:
        client.ehlo_or_helo_if_needed()
        eight_bit = not echo.octets.isascii() and client.has_extn("8bitmime")
        client.sendmail("", [echo.recipient], echo.octets, ["BODY=8BITMIME"] if eight_bit else [])


class Echoer:
    """A box that passes all mail on to another one and sends echoes: `async with Echoer(box, send) as box`.

    It sends one mail at a time and keeps few in memory: a mail beyond the limit, or whose attempts all fail, is dropped with
    an event in the log, and the canary reports that it did not arrive.
    """

    keeps_octets = True

    def __init__(
        self, box: Box, send: Callable[[Echo], None], pauses: tuple[float, ...] = PAUSES_SECONDS
    ) -> None:
        self._box = box
        self._send = send
        self._pauses = pauses
        self._queue: asyncio.Queue[Echo] = asyncio.Queue(WAITING)
        self._task: asyncio.Task[None] | None = None

    def keep(self, taken: Taken) -> None:
        """Have one more, and note its echo."""
        self._box.keep(taken)
        if (echo := echo_of(taken)) is None:
            return
        try:
            self._queue.put_nowait(echo)
        except asyncio.QueueFull:
            _log.warning("sink.echo_dropped", error=f"{WAITING} echoes wait already")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name="echo")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while True:
            echo = await self._queue.get()
            if (problem := await self._delivered(echo)) is not None:
                _log.warning("sink.echo_dropped", error=problem)

    async def _delivered(self, echo: Echo) -> str | None:
        """Try until it is taken; the last problem otherwise."""
        problem = await self._attempt(echo)
        for pause in self._pauses:
            if problem is None:
                break
            await asyncio.sleep(pause)
            problem = await self._attempt(echo)
        return problem

    async def _attempt(self, echo: Echo) -> str | None:
        try:
            await asyncio.to_thread(self._send, echo)
        except (OSError, smtplib.SMTPException) as error:
            return f"{type(error).__name__}: {error}"
        return None
