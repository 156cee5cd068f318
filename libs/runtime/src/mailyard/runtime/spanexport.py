"""Sends spans to an OpenTelemetry collector by OTLP over HTTP, from a thread of its own, in batches.

Mail never waits for it: the queue is bounded, and what does not fit, or is not taken, is thrown away and counted.
Credentials for the collector come from OpenTelemetry's own variable OTEL_EXPORTER_OTLP_HEADERS.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.runtime.tracing import Span, switch_off, switch_on

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan

QUEUE_SPANS: Final = 4096
BATCH_SPANS: Final = 512
_PAUSE_SECONDS: Final = 1.0
_SEND_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 3.0
_log = get_logger(__name__)


class SpanExporter:
    """Switches tracing on for the process, and off again."""

    def __init__(
        self, endpoint: str, sample_ratio: float, *, service: str, instance: str, version: str
    ) -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._sample_ratio = sample_ratio
        self._identity = {
            "service.namespace": "mailyard",
            "service.name": f"mailyard-{service}",
            "service.instance.id": instance,
            "service.version": version,
        }
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._refused = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._exported = counter("mailyard_trace_spans_exported_total")
        dropped = counter("mailyard_trace_spans_dropped_total")
        self._overflown, self._not_taken = dropped.labels("queue-full"), dropped.labels("not-taken")

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        switch_on(self, self._sample_ratio)
        _log.info("tracing.started", endpoint=self._url, sample_ratio=self._sample_ratio)

    def take(self, span: Span) -> None:
        """Keep a span for the next batch, or throw it away when too many wait."""
        if len(self._waiting) >= QUEUE_SPANS:
            self._overflown.inc()
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH_SPANS:
            self._wake.set()

    async def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        switch_off()
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)

    def _run(self) -> None:
        """Load OpenTelemetry here, off the loop: it takes a while."""
        sender = _Sender(self._url, self._identity)
        while not self._closing:
            self._wake.wait(_PAUSE_SECONDS)
            self._wake.clear()
            self._send_all(sender)
        self._send_all(sender)
        sender.close()

    def _send_all(self, sender: "_Sender") -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_SPANS, len(self._waiting)))]
            if sender.send(batch):
                self._exported.inc(len(batch))
                self._refused = False
            else:
                self._not_taken.inc(len(batch))
                self._tell_refusal()

    def _tell_refusal(self) -> None:
        """Log the first refusal of a row, not each."""
        if not self._refused:
            _log.warning("tracing.unavailable", endpoint=self._url)
        self._refused = True


class _Sender:
    """OpenTelemetry's exporter, and our spans in its form."""

    def __init__(self, url: str, identity: dict[str, str]) -> None:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415  # only when on
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # we say it ourselves, once
        self._exporter: OTLPSpanExporter = trace_exporter.OTLPSpanExporter(
            endpoint=url, timeout=_SEND_SECONDS
        )
        self._resource = Resource.create(identity)

    def send(self, batch: Sequence[Span]) -> bool:
        """Send one batch; say whether it was taken."""
        result = self._exporter.export([self._readable(span) for span in batch])
        return result.name == "SUCCESS"

    def close(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, span: Span) -> "ReadableSpan":
        trace = import_module("opentelemetry.trace")
        sdk = import_module("opentelemetry.sdk.trace")
        code = trace.StatusCode.ERROR if span.failed else trace.StatusCode.UNSET
        readable: ReadableSpan = sdk.ReadableSpan(
            name=span.name,
            context=_context(span.context.trace_id, span.context.span_id),
            parent=_context(span.context.trace_id, span.parent) if span.parent else None,
            resource=self._resource,
            attributes=span.attributes,
            kind=trace.SpanKind.CONSUMER if span.parent else trace.SpanKind.SERVER,
            status=trace.Status(code),
            start_time=span.began_ns,
            end_time=span.ended_ns,
        )
        return readable


def _context(trace_id: str, span_id: str) -> object:
    trace = import_module("opentelemetry.trace")
    return trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=trace.TraceFlags(1)
    )
