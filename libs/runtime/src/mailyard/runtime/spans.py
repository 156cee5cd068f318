"""Spans by the OpenTelemetry SDK, sent to a collector by OTLP over HTTP. Loaded only while tracing is on.

The SDK sends batches from a thread of its own. Mail never waits for it: the queue is bounded, and spans that do not fit
or that the collector refuses are dropped and counted. Credentials for the collector come from OpenTelemetry's own
variable OTEL_EXPORTER_OTLP_HEADERS.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.runtime.trace import TraceContext
from mailyard.runtime.tracing import Attribute, switch_off, switch_on

QUEUE_SPANS: Final = 4096
BATCH_SPANS: Final = 512
_PAUSE_SECONDS: Final = 1.0
_SEND_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 3.0
_log = get_logger(__name__)


class Tracer:
    """Makes spans of trace contexts that tickets carry, and hands ended spans to a processor."""

    def __init__(self, processor: SpanProcessor, resource: Resource | None = None) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(ALWAYS_ON, resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("mailyard")

    def start(self, name: str, parent: TraceContext) -> Span:
        """Begin a span below `parent`."""
        return self._tracer.start_span(name, _context(parent), SpanKind.CONSUMER)

    def record_root(
        self, name: str, context: TraceContext, began_ns: int, attributes: Mapping[str, Attribute]
    ) -> None:
        """Record the span of `context` itself, without a parent; it began at `began_ns` and ends now."""
        self._ids.given = context
        try:
            span = self._tracer.start_span(name, Context(), SpanKind.SERVER, attributes, start_time=began_ns)
        finally:
            self._ids.given = None
        span.end()

    def close(self) -> None:
        """Send what waits and stop; may take as long as the exporter's time-out."""
        self._provider.shutdown()


class _Ids(RandomIdGenerator):
    """Random ids, except for a root span, whose ids a ticket carries already."""

    given: TraceContext | None = None

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self.given is None else int(self.given.trace_id, 16)

    def generate_span_id(self) -> int:
        return super().generate_span_id() if self.given is None else int(self.given.span_id, 16)


def _context(parent: TraceContext) -> Context:
    ids = int(parent.trace_id, 16), int(parent.span_id, 16)
    remote = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(remote), Context())


class TraceExport:
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
        self._tracer: Tracer | None = None

    def start(self) -> None:
        """Begin."""
        logging.getLogger("opentelemetry").setLevel(
            logging.CRITICAL
        )  # `CountingExporter` logs a refusal once
        processor = BoundedProcessor(CountingExporter(self._url))
        self._tracer = Tracer(processor, Resource.create(self._identity))
        switch_on(self._tracer, self._sample_ratio)
        _log.info("tracing.started", endpoint=self._url, sample_ratio=self._sample_ratio)

    async def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        switch_off()
        if self._tracer is not None:
            closing = threading.Thread(target=self._tracer.close, name="tracing-close", daemon=True)
            closing.start()
            await asyncio.to_thread(closing.join, _CLOSE_SECONDS)


class CountingExporter(OTLPSpanExporter):
    """OpenTelemetry's exporter, with metrics, and one line in the log for the first refusal of a row."""

    def __init__(self, url: str) -> None:
        super().__init__(endpoint=url, timeout=_SEND_SECONDS)
        self.taken = 0  # spans that have left the queue; written by the exporting thread alone
        self._url = url
        self._refused = False
        self._exported = counter("mailyard_trace_spans_exported_total")
        self._not_taken = counter("mailyard_trace_spans_dropped_total").labels("not-taken")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch."""
        self.taken += len(spans)
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self._exported.inc(len(spans))
        else:
            self._not_taken.inc(len(spans))
            if not self._refused:
                _log.warning("tracing.unavailable", endpoint=self._url)
        self._refused = result is not SpanExportResult.SUCCESS
        return result


class BoundedProcessor(BatchSpanProcessor):
    """OpenTelemetry's batches; spans above the bound of the queue are counted and dropped."""

    def __init__(self, exporter: CountingExporter) -> None:
        super().__init__(
            exporter,
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=_PAUSE_SECONDS * 1000,
            max_export_batch_size=BATCH_SPANS,
        )
        self._sending = exporter
        self._ended = 0  # spans put into the queue; written by the event loop alone
        self._overflown = counter("mailyard_trace_spans_dropped_total").labels("queue-full")

    def on_end(self, span: ReadableSpan) -> None:
        """Put a span into the queue; never waits."""
        if self._ended - self._sending.taken >= QUEUE_SPANS:
            self._overflown.inc()
            return
        self._ended += 1
        super().on_end(span)
