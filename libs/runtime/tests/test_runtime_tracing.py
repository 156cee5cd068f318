"""Spans of sampled tickets reach a collector, and nothing waits for one that is away."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from mailyard.runtime import tracing
from mailyard.runtime.logs import configure_logs, get_logger
from mailyard.runtime.metrics import counter
from mailyard.runtime.spans import QUEUE_SPANS, BoundedProcessor, CountingExporter, TraceExport, Tracer
from mailyard.runtime.trace import TraceContext, new_trace, parse_traceparent
from mailyard.runtime.tracing import Attribute, record_root, samples_next, stage_spans
from tests.trial.collector import attributes, collecting


@dataclass
class TimelineEntry:
    event: str


@dataclass
class Carrier:
    traceparent: str
    spool_id: str = "s1"
    leg: int = 0
    tenant: str = "acme"
    attempt: int = 2
    timeline: list[TimelineEntry] = field(default_factory=list)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans that have ended, while tracing is on."""
    exporter = InMemorySpanExporter()
    tracing.switch_on(Tracer(SimpleSpanProcessor(exporter)), 1.0)
    yield exporter
    tracing.switch_off()


def ids(span: ReadableSpan) -> TraceContext:
    context = span.get_span_context()
    assert context is not None
    return TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}")


def parent_id(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def said(span: ReadableSpan) -> Mapping[str, Attribute]:
    assert span.attributes is not None
    return {key: value for key, value in span.attributes.items() if isinstance(value, Attribute)}


def exporter_to(url: str) -> TraceExport:
    return TraceExport(url, 1.0, service="router", instance="router-0", version="1.2.3")


def dropped(reason: str) -> float:
    value: float = counter("mailyard_trace_spans_dropped_total").labels(reason)._value.get()
    return value


def test_nothing_is_sampled_and_no_span_begins_while_tracing_is_off() -> None:
    assert not samples_next()
    ticket = Carrier(str(new_trace()))
    before = ticket.traceparent
    assert stage_spans("local.filter process", [ticket]) == []
    assert ticket.traceparent == before


def test_the_share_of_sampled_messages_is_what_was_asked_for(spans: InMemorySpanExporter) -> None:
    tracer = Tracer(SimpleSpanProcessor(spans))
    tracing.switch_on(tracer, 0.0)
    assert not any(samples_next() for _ in range(1000))
    tracing.switch_on(tracer, 1.0)
    assert all(samples_next() for _ in range(1000))


def test_the_ticket_names_the_span_so_that_the_next_stage_is_its_child(spans: InMemorySpanExporter) -> None:
    root = new_trace()
    ticket = Carrier(str(root))
    (first,) = stage_spans("smtp-in.route process", [ticket])
    first.end()
    (second,) = stage_spans("local.filter process", [ticket])
    second.end()
    router, filtering = spans.get_finished_spans()
    assert parent_id(router) == root.span_id
    assert parent_id(filtering) == ids(router).span_id
    assert {ids(router).trace_id, ids(filtering).trace_id} == {root.trace_id}


def test_the_span_of_the_acceptance_has_the_ids_of_the_ticket_and_no_parent(
    spans: InMemorySpanExporter,
) -> None:
    first, second = new_trace(), new_trace()
    for root in (first, second):
        record_root("smtp-in accept", Carrier(str(root)), time.time_ns() - 5_000, {"mailyard.batch": 2})
    recorded = spans.get_finished_spans()
    assert [ids(span) for span in recorded] == [first, second]
    assert [(parent_id(span), span.kind) for span in recorded] == [(None, SpanKind.SERVER)] * 2
    assert said(recorded[0])["mailyard.outcome"] == "message.accepted"
    assert (recorded[0].end_time or 0) - (recorded[0].start_time or 0) >= 5_000


def test_a_span_after_a_root_has_ids_of_its_own(spans: InMemorySpanExporter) -> None:
    root = new_trace()
    record_root("smtp-in accept", Carrier(str(root)), time.time_ns(), {})
    (span,) = stage_spans("smtp-in.route process", [Carrier(str(root))])
    span.end()
    assert ids(spans.get_finished_spans()[1]).span_id != root.span_id


def test_the_outcome_is_what_the_stage_noted(spans: InMemorySpanExporter) -> None:
    ticket = Carrier(str(new_trace()), timeline=[TimelineEntry("message.routed")])
    (quiet,) = stage_spans("local.filter process", [ticket])
    quiet.end()
    (noting,) = stage_spans("local.deliver process", [ticket])
    ticket.timeline.append(TimelineEntry("message.delivered"))
    noting.end()
    (failing,) = stage_spans("local.deliver process", [ticket])
    failing.end(failed=True)
    ended = spans.get_finished_spans()
    assert [said(span)["mailyard.outcome"] for span in ended] == ["done", "message.delivered", "failed"]
    assert [span.status.status_code for span in ended] == [
        StatusCode.UNSET,
        StatusCode.UNSET,
        StatusCode.ERROR,
    ]


def test_a_ticket_that_is_not_sampled_or_has_no_trace_gets_no_span(spans: InMemorySpanExporter) -> None:
    assert (
        stage_spans("x process", [Carrier(str(new_trace(sampled=False))), Carrier(""), Carrier("junk")]) == []
    )


def test_log_lines_about_a_sampled_message_in_hand_carry_its_trace(spans: InMemorySpanExporter) -> None:
    out = io.StringIO()
    configure_logs("router", stream=out)
    root = new_trace()
    (span,) = stage_spans("smtp-in.route process", [Carrier(str(root))])
    log = get_logger("test")
    log.info("service.started", spool_id="s1")
    log.info("service.started", spool_id="s2")
    span.end()
    log.info("service.started", spool_id="s1")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line.get("trace_id") for line in lines] == [root.trace_id, None, None]


async def test_spans_reach_the_collector_with_ids_parents_and_attributes() -> None:
    with collecting() as collector:
        exporter = exporter_to(collector.url + "/")
        exporter.start()
        root = new_trace()
        ticket = Carrier(str(root))
        record_root("smtp-in accept", ticket, time.time_ns() - 1_000_000, {"mailyard.batch": 3})
        (span,) = stage_spans(
            "smtp-in.route process", [ticket], {"messaging.destination.name": "smtp-in.route"}
        )
        span.end(failed=True)
        await exporter.close()
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.services == {"mailyard-router"}
    accept, route = collector.spans
    assert (accept.name, route.name) == ("smtp-in accept", "smtp-in.route process")
    assert accept.trace_id.hex() == route.trace_id.hex() == root.trace_id
    assert accept.span_id.hex() == route.parent_span_id.hex() == root.span_id
    assert accept.parent_span_id == b""
    here = parse_traceparent(ticket.traceparent)
    assert here is not None
    assert route.span_id.hex() == here.span_id
    assert accept.end_time_unix_nano - accept.start_time_unix_nano >= 1_000_000
    assert route.status.code == 2  # STATUS_CODE_ERROR
    assert attributes(route) == {
        "mailyard.spool_id": "s1",
        "mailyard.leg": 0,
        "mailyard.tenant": "acme",
        "mailyard.attempt": 2,
        "mailyard.outcome": "failed",
        "messaging.destination.name": "smtp-in.route",
    }


async def test_what_the_collector_refuses_is_counted_as_dropped() -> None:
    before = dropped("not-taken")
    with collecting() as collector:
        collector.status = 400  # one that OpenTelemetry does not try again
        exporter = exporter_to(collector.url)
        exporter.start()
        record_root("smtp-in accept", Carrier(str(new_trace())), time.time_ns(), {})
        await exporter.close()
    assert dropped("not-taken") == before + 1


class StuckExporter(CountingExporter):
    """An exporter that takes nothing from the queue."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        pass


def test_a_full_queue_drops_and_never_waits() -> None:
    before = dropped("queue-full")
    processor = BoundedProcessor(StuckExporter("http://127.0.0.1:9"))
    ended = InMemorySpanExporter()
    Tracer(SimpleSpanProcessor(ended)).record_root("x", new_trace(), time.time_ns(), {})
    (span,) = ended.get_finished_spans()
    began = time.monotonic()
    for _ in range(QUEUE_SPANS + 5):
        processor.on_end(span)
    assert dropped("queue-full") == before + 5
    assert time.monotonic() - began < 2
    processor.shutdown()


def test_what_the_exporter_has_taken_makes_place_in_the_queue() -> None:
    before = dropped("queue-full")
    exporter = StuckExporter("http://127.0.0.1:9")
    processor = BoundedProcessor(exporter)
    ended = InMemorySpanExporter()
    Tracer(SimpleSpanProcessor(ended)).record_root("x", new_trace(), time.time_ns(), {})
    (span,) = ended.get_finished_spans()
    for _ in range(QUEUE_SPANS):
        processor.on_end(span)
    exporter.taken += 1
    processor.on_end(span)
    assert dropped("queue-full") == before
    processor.on_end(span)
    assert dropped("queue-full") == before + 1
    processor.shutdown()


async def test_a_collector_that_refuses_is_logged_once_until_it_takes_spans_again() -> None:
    out = io.StringIO()
    configure_logs("router", stream=out)
    with collecting() as collector:
        exporter = CountingExporter(f"{collector.url}/v1/traces")
        for collector.status in (400, 400, 200, 400):
            exporter.export([])
    events = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert events == ["tracing.unavailable"] * 2


async def test_closing_does_not_wait_long_for_a_collector_that_is_away() -> None:
    exporter = exporter_to("http://127.0.0.1:9")
    exporter.start()
    record_root("smtp-in accept", Carrier(str(new_trace())), time.time_ns(), {})
    began = time.monotonic()
    await exporter.close()
    assert time.monotonic() - began < 5
    assert not samples_next()


def test_opentelemetry_is_not_loaded_while_tracing_is_off() -> None:
    program = (
        "import sys, mailyard.runtime.service;"
        " sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
