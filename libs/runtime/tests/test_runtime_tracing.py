"""Spans of sampled tickets reach a collector, and nothing waits for one that is away."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mailyard.runtime import tracing
from mailyard.runtime.logs import configure_logs, get_logger
from mailyard.runtime.metrics import counter
from mailyard.runtime.spanexport import QUEUE_SPANS, SpanExporter
from mailyard.runtime.trace import new_trace, parse_traceparent
from mailyard.runtime.tracing import Span, samples_next, stage_spans, tell_root
from tests.trial.collector import attributes, collecting


@dataclass
class Happening:
    event: str


@dataclass
class Paper:
    traceparent: str
    spool_id: str = "s1"
    leg: int = 0
    tenant: str = "acme"
    attempt: int = 2
    timeline: list[Happening] = field(default_factory=list)


class Kept:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        self.spans.append(span)


@pytest.fixture
def kept() -> Iterator[Kept]:
    exporter = Kept()
    tracing.switch_on(exporter, 1.0)
    yield exporter
    tracing.switch_off()


def exporter_to(url: str) -> SpanExporter:
    return SpanExporter(url, 1.0, service="router", instance="router-0", version="1.2.3")


def dropped(reason: str) -> float:
    value: float = counter("mailyard_trace_spans_dropped_total").labels(reason)._value.get()
    return value


def test_nothing_is_sampled_and_no_span_begins_while_tracing_is_off() -> None:
    assert not samples_next()
    paper = Paper(str(new_trace()))
    before = paper.traceparent
    assert stage_spans("local.filter process", [paper]) == []
    assert paper.traceparent == before


def test_the_share_of_sampled_messages_is_what_was_asked_for(kept: Kept) -> None:
    tracing.switch_on(kept, 0.0)
    assert not any(samples_next() for _ in range(1000))
    tracing.switch_on(kept, 1.0)
    assert all(samples_next() for _ in range(1000))


def test_the_ticket_names_the_span_so_that_the_next_stage_is_its_child(kept: Kept) -> None:
    root = new_trace()
    paper = Paper(str(root))
    (first,) = stage_spans("smtp-in.route process", [paper])
    first.end()
    (second,) = stage_spans("local.filter process", [paper])
    second.end()
    router, filtering = kept.spans
    assert router.parent == root.span_id
    assert filtering.parent == router.context.span_id
    assert {router.context.trace_id, filtering.context.trace_id} == {root.trace_id}


def test_the_outcome_is_what_the_stage_noted(kept: Kept) -> None:
    paper = Paper(str(new_trace()), timeline=[Happening("message.routed")])
    (quiet,) = stage_spans("local.filter process", [paper])
    quiet.end()
    (telling,) = stage_spans("local.deliver process", [paper])
    paper.timeline.append(Happening("message.delivered"))
    telling.end()
    (failing,) = stage_spans("local.deliver process", [paper])
    failing.end(failed=True)
    assert [span.attributes["mailyard.outcome"] for span in kept.spans] == [
        "done",
        "message.delivered",
        "failed",
    ]
    assert [span.failed for span in kept.spans] == [False, False, True]


def test_a_ticket_that_is_not_sampled_or_has_no_trace_gets_no_span(kept: Kept) -> None:
    assert stage_spans("x process", [Paper(str(new_trace(sampled=False))), Paper(""), Paper("junk")]) == []


def test_log_lines_about_a_sampled_message_in_hand_carry_its_trace(kept: Kept) -> None:
    out = io.StringIO()
    configure_logs("router", stream=out)
    root = new_trace()
    (span,) = stage_spans("smtp-in.route process", [Paper(str(root))])
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
        paper = Paper(str(root))
        tell_root("smtp-in accept", paper, time.time_ns() - 1_000_000, {"mailyard.batch": 3})
        (span,) = stage_spans(
            "smtp-in.route process", [paper], {"messaging.destination.name": "smtp-in.route"}
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
    here = parse_traceparent(paper.traceparent)
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
        tell_root("smtp-in accept", Paper(str(new_trace())), time.time_ns(), {})
        await exporter.close()
    assert dropped("not-taken") == before + 1


def test_a_full_queue_drops_and_never_waits() -> None:
    before = dropped("queue-full")
    exporter = exporter_to("http://127.0.0.1:9")  # not started: nobody takes from the queue
    span = Span("x", new_trace(), "", 0, 1)
    began = time.monotonic()
    for _ in range(QUEUE_SPANS + 5):
        exporter.take(span)
    assert dropped("queue-full") == before + 5
    assert time.monotonic() - began < 1


async def test_closing_does_not_wait_long_for_a_collector_that_is_away() -> None:
    exporter = exporter_to("http://127.0.0.1:9")
    exporter.start()
    tell_root("smtp-in accept", Paper(str(new_trace())), time.time_ns(), {})
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
