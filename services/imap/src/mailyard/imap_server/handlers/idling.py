"""IDLE (RFC 2177): news as it comes, until the client says DONE."""

import math

from mailyard.imap.commands.session import IdleCommand
from mailyard.imap.server import responses
from mailyard.imap.server.events import LineReceived
from mailyard.imap.server.responses import Completion, bad, ok
from mailyard.imap_server.session.session import ImapSession, SessionOver
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge

_RETRY_SECONDS = 30.0  # after a look that found the store unreachable

_log = get_logger(__name__)
_IDLING = gauge("mailyard_imap_idling_sessions")


async def idle(session: ImapSession, _: IdleCommand) -> Completion:
    """Wait for the client and for the mailbox at once; the client may go on before the store or the broker answers."""
    session.connection.expect_line()
    session.write(responses.continuation("idling"))
    await session.drain()
    with _IDLING.track_inprogress():
        answer = await _Idling(session).wait()
    return ok("IDLE completed") if answer.strip().upper() == b"DONE" else bad("Expected DONE")


class _Idling:
    """The times of one IDLE."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        now = self._now()
        self._end = now + session.options.idle_seconds
        self._sign = now + session.options.still_here_seconds
        self._retry = math.inf

    async def wait(self) -> bytes:
        """Tell what is new until a line comes; return it."""
        session = self._session
        if session.selected is not None:
            await session.selected.subscribe()
            session.selected.expect_changes()  # those that came before the events did
        while True:
            await self._refresh()
            self._give_sign()
            await session.send_updates(expunges=True)
            await session.drain()
            event = await session.next_event_or_wake(self._wait_seconds())
            if isinstance(event, LineReceived):
                return event.octets

    async def _refresh(self) -> None:
        """Look when an event says so; a look that fails is made again."""
        session = self._session
        if session.selected is None or not (session.selected.has_changes or self._now() >= self._retry):
            return
        try:
            await session.refresh(force=True)
            self._retry = math.inf
        except Unavailable as error:
            self._retry = self._now() + _RETRY_SECONDS
            _log.warning("imap.unavailable", error=str(error))

    def _give_sign(self) -> None:
        """A line now and then keeps address translators awake and finds out when the client is gone."""
        if self._now() >= self._end:
            raise SessionOver("Autologout: IDLE for too long")
        if self._now() >= self._sign:
            self._sign = self._now() + self._session.options.still_here_seconds
            self._session.write(responses.untagged(ok("Still here")))

    def _wait_seconds(self) -> float:
        return max(0.0, min(self._end, self._sign, self._retry) - self._now())

    def _now(self) -> float:
        return self._session.backend.monotonic()
