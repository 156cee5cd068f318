"""Refuse new messages for now while the store or the router is behind.

After a 4xx reply, other servers and submission clients try again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel, Field

from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge
from mailyard.smtp.reply import Reply
from mailyard.smtp_in.replies import DISK_FULL, QUEUE_OLD, STORE_SLOW
from mailyard.spool.queue.spool import Spool

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """The last measurement; None: it was not possible."""

    disk_free_percent: float | None = None
    queue_seconds: float | None = None


class PressureSettings(BaseModel):
    """The limits beyond which messages are refused."""

    waiting_messages: int = Field(
        default=5000, ge=1, description="While more messages wait to be stored, new ones get 451."
    )
    disk_free_percent: float = Field(
        default=3.0,
        ge=0,
        le=50,
        description="While MongoDB's disk has less space left, new messages get 452.",
    )
    queue_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="While the router is further behind, new messages get 451; 0: no limit.",
    )


def judge(sample: Sample, waiting_messages: int, bounds: PressureSettings) -> Reply | None:
    """Return the refusal of new messages, or None. A value that could not be measured refuses nothing."""
    if sample.disk_free_percent is not None and sample.disk_free_percent < bounds.disk_free_percent:
        return DISK_FULL
    if waiting_messages > bounds.waiting_messages:
        return STORE_SLOW
    if (
        bounds.queue_seconds
        and sample.queue_seconds is not None
        and sample.queue_seconds > bounds.queue_seconds
    ):
        return QUEUE_OLD
    return None


class Pressure:
    """Decides at every MAIL by the last measurement."""

    def __init__(
        self, queue: Spool, bounds: PressureSettings, measure: Callable[[], Awaitable[Sample]]
    ) -> None:
        """Take samples from `measure`, which may raise Unavailable."""
        self._queue = queue
        self._bounds = bounds
        self._measure = measure
        self._sample = Sample()
        self._refusing = gauge("mailyard_smtp_in_refusing_state")

    def refusal(self) -> Reply | None:
        """Return the reply to a sender who should come back later, or None."""
        return judge(self._sample, self._queue.backlog, self._bounds)

    async def sample(self) -> bool:
        """Measure once; return False, because there is no more work."""
        before = self.refusal()
        try:
            self._sample = await self._measure()
        except Unavailable as error:
            self._sample = Sample()
            _log.warning("smtp_in.pressure_unknown", error=str(error))
        now = self.refusal()
        self._refusing.set(now is not None)
        if now is not before:
            _log.warning("smtp_in.pressure", refusing=now is not None, reply=str(now or ""))
        return False
