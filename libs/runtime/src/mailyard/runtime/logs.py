"""Logs: one JSON object per line, declared event names, no secrets.

`get_logger(__name__).info("broker.connected", host=...)`; the spool id of a message always stands under `spool_id`.
Lines of third-party libraries (standard library logging) take the same way out, from warnings up.
"""

import logging
import re
import sys
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from mailyard.runtime.tracing import add_trace_id

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_SECRET_KEYS = frozenset({"password", "secret", "token", "authorization", "credentials"})
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_HIDDEN = "[hidden]"


def configure_logs(
    service: str, level: str = "info", fmt: str = "json", *, stream: TextIO | None = None
) -> None:
    """Set up logging of the whole process; call it once, before anything logs."""
    out = stream or sys.stdout
    structlog.reset_defaults()
    structlog.configure(
        processors=[*_shared(service), *_renderers(fmt)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=stream is None,
    )
    _adopt_stdlib(service, level, fmt, out)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; `name` is `__name__`."""
    return cast("FilteringBoundLogger", structlog.get_logger(module=name))


def _shared(service: str) -> list[Processor]:
    """Return the processors of every line, from structlog and from the standard library."""

    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        add_service,
        add_trace_id,
        hide_secrets,
    ]


def _renderers(fmt: str) -> list[Processor]:
    if fmt == "console":
        return [structlog.dev.ConsoleRenderer(timestamp_key="at")]
    return [
        structlog.processors.format_exc_info,
        hide_secrets,
        structlog.processors.JSONRenderer(default=str),
    ]


def _adopt_stdlib(service: str, level: str, fmt: str, out: TextIO) -> None:
    """Give the lines of third-party libraries the same form."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_shared(service), _name_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(fmt)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING))


def _name_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    event["message"], event["event"], event["logger"] = event["event"], "library.message", record.name
    return event


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask credentials in URLs, and the values of keys that name a secret."""
    for key, value in event.items():
        if key in _SECRET_KEYS:
            event[key] = _HIDDEN
        elif isinstance(value, str) and "://" in value:
            event[key] = _URL_CREDENTIALS.sub(f"{_HIDDEN}@", value)
    return event
