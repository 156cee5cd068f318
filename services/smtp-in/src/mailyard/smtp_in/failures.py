"""The log lines of work that ended with an exception."""

from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger

_log = get_logger(__name__)


def log_failure(error: Exception, event: str = "smtp_in.unavailable") -> None:
    """Log the exception that is being handled: as `event`, unless it is a fault of the program."""
    if isinstance(error, Unavailable):
        _log.warning(event, error=str(error))
    else:
        _log.exception("smtp_in.fault")
