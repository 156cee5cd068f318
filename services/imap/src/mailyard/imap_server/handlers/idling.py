"""IDLE (RFC 2177): mailbox updates as they come, until the client sends DONE."""

import math

from mailyard.imap.commands.session import IdleCommand
from mailyard.imap.server import responses
from mailyard.imap.server.events import LineReceived
from mailyard.imap.server.responses import Completion, bad, ok
from mailyard.imap_server.session.session import ImapSession, SessionOver
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge

_RETRY_SECONDS = 30.0  # after a read that found the store unreachable

_log = get_logger(__name__)
_IDLING = gauge("mailyard_imap_idling_sessions")


async def idle(session: ImapSession, _: IdleCommand) -> Completion:
    """Execute IDLE: wait for the client and for changes at the same time."""
    session.connection.expect_line()
    session.write(responses.continuation("idling"))
    await session.drain()
    with _IDLING.track_inprogress():
        answer = await _Idling(session).wait()
    return ok("IDLE completed") if answer.strip().upper() == b"DONE" else bad("Expected DONE")


class _Idling:
    """One IDLE and its timers."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        now = self._now()
        self._end_at = now + session.options.idle_seconds
        self._keepalive_at = now + session.options.still_here_seconds
        self._retry_at = math.inf

    async def wait(self) -> bytes:
        """Send updates until the client sends a line; return the line."""
        session = self._session
        if session.selected is not None:
            await session.selected.subscribe()
            session.selected.expect_changes()  # changes from before the subscription
        while True:
            await self._refresh()
            self._send_keepalive()
            await session.send_updates(expunges=True)
            await session.drain()
            event = await session.next_event_or_wake(self._wait_seconds())
            if isinstance(event, LineReceived):
                return event.octets

    async def _refresh(self) -> None:
        """Read changes after an event; a read that fails is repeated later."""
        session = self._session
        if session.selected is None or not (session.selected.has_changes or self._now() >= self._retry_at):
            return
        try:
            await session.refresh(force=True)
            self._retry_at = math.inf
        except Unavailable as error:
            self._retry_at = self._now() + _RETRY_SECONDS
            _log.warning("imap.unavailable", error=str(error))

    def _send_keepalive(self) -> None:
        """Send a line from time to time: address translators keep the connection, and a lost client is noticed."""
        if self._now() >= self._end_at:
            raise SessionOver("Autologout: IDLE for too long")
        if self._now() >= self._keepalive_at:
            self._keepalive_at = self._now() + self._session.options.still_here_seconds
            self._session.write(responses.untagged(ok("Still here")))

    def _wait_seconds(self) -> float:
        return max(0.0, min(self._end_at, self._keepalive_at, self._retry_at) - self._now())

    def _now(self) -> float:
        return self._session.backend.monotonic()
