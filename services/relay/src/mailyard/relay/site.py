"""The connections to one host: so many at a time, the idle ones kept, the legs that wait for one in a bounded line.

A slow host fills its own line and nobody else's.
"""

import asyncio
from collections import deque
from typing import Generic, Protocol, TypeVar

from mailyard.relay.connector import Refusal


class SiteBusy(Exception):
    """All connections are in use, and the line is full or did not move: put the leg off."""


class Stopping(SiteBusy):
    """Relay is stopping: another one takes the leg at once."""


class Pooled(Protocol):
    """What a site keeps."""

    idle_since: float

    @property
    def usable(self) -> bool:
        """Another transaction may begin."""

    def close(self) -> None:
        """Let go."""


S = TypeVar("S", bound=Pooled)


class Site(Generic[S]):
    """A slot is the right to one connection: an idle session, or None, which means: make one."""

    def __init__(self, connections: int, waiting: int) -> None:
        self._connections = connections
        self._waiting = waiting
        self._in_use = 0
        self._idle: list[S] = []
        self._line: deque[asyncio.Future[S | None]] = deque()
        self._down_until = 0.0
        self._down: Refusal | None = None

    @property
    def unused(self) -> bool:
        """Nothing here is worth remembering."""
        return not self._in_use and not self._idle and self._down is None

    def refusal(self, now: float) -> Refusal | None:
        """Why the host is left alone for now."""
        if self._down is not None and now >= self._down_until:
            self._down = None
        return self._down

    def rest(self, refusal: Refusal, until: float) -> None:
        """The host could not be reached: nobody tries before `until`. Those in line learn it when their turn comes."""
        self._down, self._down_until = refusal, until

    def reached(self) -> None:
        """The host answers."""
        self._down = None

    async def enter(self, seconds: float) -> S | None:
        """Take a slot, waiting in line for at most `seconds`. Raises SiteBusy."""
        if self._in_use < self._connections:
            self._in_use += 1
            return self._freshest()
        if len(self._line) >= self._waiting:
            raise SiteBusy("all connections to the host are in use")
        turn: asyncio.Future[S | None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except BaseException as error:
            self._give_up(turn)
            if isinstance(error, TimeoutError):
                raise SiteBusy("all connections to the host have been in use for too long") from None
            raise

    def leave(self, session: S | None) -> None:
        """Give the slot, with a session that can be used on, to the next in line."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(session)
                return
        self._in_use -= 1
        if session is not None:
            self._idle.append(session)

    def dismiss(self) -> None:
        """Send everybody in line away."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_exception(Stopping("relay is stopping"))

    def take_idle(self, before: float) -> list[S]:
        """Remove and return sessions that have been idle since `before`, or whose peer has gone."""
        old = [session for session in self._idle if session.idle_since <= before or not session.usable]
        self._idle = [session for session in self._idle if session not in old]
        return old

    def _freshest(self) -> S | None:
        return self._idle.pop() if self._idle else None

    def _give_up(self, turn: "asyncio.Future[S | None]") -> None:
        """Out of line; a slot that came at the last moment goes on."""
        if turn in self._line:
            self._line.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            self.leave(turn.result())
