"""IDLE (RFC 2177): news as it comes, until the client says DONE."""

from mailyard.imap.core import responses
from mailyard.imap.core.commands.session import Idle
from mailyard.imap.core.events import LineReceived
from mailyard.imap.core.responses import Completion, bad, ok
from mailyard.imap.session.session import Session, SessionOver
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge

_log = get_logger(__name__)
_IDLING = gauge("mailyard_imap_idling_sessions")


async def idle(session: Session, _: Idle) -> Completion:
    """Wait for the client and for the mailbox at once. Events may be lost, so there is a slow look as well."""
    if session.selected is not None:
        await session.selected.listen()
        await session.look(force=True)  # what came before the events did
    session.connection.expect_line()
    session.write(responses.continuation("idling"))
    with _IDLING.track_inprogress():
        answer = await _Idling(session).wait()
    return ok("IDLE completed") if answer.strip().upper() == b"DONE" else bad("Expected DONE")


class _Idling:
    """The times of one IDLE."""

    def __init__(self, session: Session) -> None:
        self._session = session
        now = self._now()
        self._end = now + session.options.idle_seconds
        self._sign = now + session.options.still_here_seconds
        self._poll = now + session.options.poll_seconds

    async def wait(self) -> bytes:
        """Tell what is new until a line comes; return it."""
        session = self._session
        while True:
            await session.announce(expunges=True)
            await session.drain()
            event = await session.next_event_or_wake(self._patience())
            if isinstance(event, LineReceived):
                return event.octets
            await self._look()
            self._give_sign()

    async def _look(self) -> None:
        """Look when an event says so, and now and then in any case."""
        session, due = self._session, self._now() >= self._poll
        if due:
            self._poll = self._now() + session.options.poll_seconds
        if session.selected is None or not (due or session.selected.has_news):
            return
        try:
            await session.look(force=True)
        except Unavailable as error:  # the next poll finds it
            _log.warning("imap.unavailable", error=str(error))

    def _give_sign(self) -> None:
        """A line now and then keeps address translators awake and finds out when the client is gone."""
        if self._now() >= self._end:
            raise SessionOver("Autologout: IDLE for too long")
        if self._now() >= self._sign:
            self._sign = self._now() + self._session.options.still_here_seconds
            self._session.write(responses.untagged(ok("Still here")))

    def _patience(self) -> float:
        return max(0.0, min(self._end, self._sign, self._poll) - self._now())

    def _now(self) -> float:
        return self._session.doors.monotonic()
