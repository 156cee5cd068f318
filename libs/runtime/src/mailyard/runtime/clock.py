"""Time as an argument: pure code gets a `Clock` or a moment, and never reads the clock of the machine."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now_utc() -> datetime:
    """Return this moment, aware, in UTC: the `Clock` of running services."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Return Unix time in milliseconds, rounded down; `moment` must be aware."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the moment of a Unix time in milliseconds, aware, in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
