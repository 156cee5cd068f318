"""What handling a ticket tells of it: how long it waited, and a span under its trace."""

import time

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY

from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.handling import entered_ms
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.proto.v1.ticket_pb2 import Ticket, TimelineEntry
from mailyard.runtime import tracing
from mailyard.runtime.spans import Tracer
from mailyard.runtime.trace import new_trace, parse_traceparent

QUEUE = Queue.LOCAL_FILTER


def waited():
    labels = {"queue": str(QUEUE)}
    return tuple(
        REGISTRY.get_sample_value(f"mailyard_queue_wait_seconds_{what}", labels) or 0.0
        for what in ("count", "sum")
    )


@pytest.fixture
def spans():
    ended = InMemorySpanExporter()
    tracing.switch_on(Tracer(SimpleSpanProcessor(ended)), 1.0)
    yield ended.get_finished_spans
    tracing.switch_off()


def test_a_ticket_entered_its_queue_at_its_last_step_or_at_its_release_if_that_is_later():
    assert entered_ms(Ticket(released_at_ms=5)) == 5
    assert (
        entered_ms(Ticket(released_at_ms=5, timeline=[TimelineEntry(at_ms=3), TimelineEntry(at_ms=9)])) == 9
    )
    assert entered_ms(Ticket(released_at_ms=12, timeline=[TimelineEntry(at_ms=9)])) == 12


async def test_each_ticket_of_a_call_tells_how_long_it_waited(broker, started, eventually):
    before = waited()
    now = int(time.time() * 1000)
    waiting = [
        Ticket(spool_id="a", released_at_ms=now - 60_000),
        Ticket(spool_id="b", released_at_ms=now + 9_000),
    ]
    taken = []

    async def handle(batch):
        taken.extend(batch)

    await started(TicketConsumer(broker, QUEUE, handle))
    await TicketPublisher(broker).publish(QUEUE, waiting)
    await eventually(lambda: len(taken) == 2, "both tickets")
    count, seconds = (after - past for after, past in zip(waited(), before, strict=True))
    assert count == 2
    assert 60 <= seconds < 70, "a clock that is ahead counts as no wait at all"


async def test_a_sampled_ticket_leaves_a_span_and_others_none(broker, started, eventually, spans):
    root = new_trace()
    seen = {}

    async def handle(batch):
        for ticket in batch:
            seen[ticket.spool_id] = ticket.traceparent
            ticket.timeline.append(TimelineEntry(event="message.filtered"))

    await started(TicketConsumer(broker, QUEUE, handle))
    unsampled = str(new_trace(sampled=False))
    await TicketPublisher(broker).publish(
        QUEUE,
        [
            Ticket(spool_id="a", tenant="t", traceparent=str(root)),
            Ticket(spool_id="b", traceparent=unsampled),
        ],
    )
    await eventually(lambda: len(spans()) == 1, "one span")
    (span,) = spans()
    assert (span.name, f"{span.parent.span_id:016x}", f"{span.context.trace_id:032x}") == (
        "local.filter process",
        root.span_id,
        root.trace_id,
    )
    assert span.attributes["messaging.destination.name"] == "local.filter"
    assert (span.attributes["mailyard.spool_id"], span.attributes["mailyard.tenant"]) == ("a", "t")
    assert span.attributes["mailyard.outcome"] == "message.filtered"
    assert parse_traceparent(seen["a"]).span_id == f"{span.context.span_id:016x}", (
        "what the handler passes on is a child of this span"
    )
    assert seen["b"] == unsampled


async def test_a_call_that_fails_leaves_a_failed_span(broker, started, eventually, spans):
    async def handle(_batch):
        raise ValueError("a bad ticket")

    await started(TicketConsumer(broker, QUEUE, handle))
    await TicketPublisher(broker).publish(QUEUE, [Ticket(spool_id="a", traceparent=str(new_trace()))])
    await eventually(lambda: len(spans()) == 1, "one span")
    (span,) = spans()
    assert (span.status.status_code, span.attributes["mailyard.outcome"]) == (StatusCode.ERROR, "failed")
