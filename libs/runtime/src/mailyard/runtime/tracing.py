"""Spans of sampled messages: the calls of the stages. While tracing is off, nothing is done and nothing is loaded.

A stage works on a ticket under a `StageSpan`. Meanwhile the ticket's traceparent names that span, so that the span of
the next stage is a child of it. To end a span never waits: `spans` has a thread and a bounded queue.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from structlog.typing import EventDict, WrappedLogger

from mailyard.runtime.trace import TraceContext, parse_traceparent

if TYPE_CHECKING:  # OpenTelemetry is loaded only while tracing is on
    from mailyard.runtime.spans import Tracer

Attribute = str | int | float | bool


class TracedTicket(Protocol):
    """The fields of a ticket that a span needs."""

    spool_id: str
    leg: int
    tenant: str
    attempt: int
    traceparent: str

    @property
    def timeline(self) -> Sequence["TimelineEvent"]:
        """The events of the message so far."""


class TimelineEvent(Protocol):
    """One entry of a timeline."""

    @property
    def event(self) -> str:
        """The declared name of an event."""


@dataclass(slots=True)
class _State:
    """The state of the process: its tracer, and the spans of the messages in hand."""

    tracer: "Tracer | None" = None
    sample_ratio: float = 0.0
    in_hand: "dict[str, StageSpan]" = field(default_factory=dict)  # by spool id


_STATE = _State()


def switch_on(tracer: "Tracer", sample_ratio: float) -> None:
    """Make spans by `tracer` from now on, and sample this share of new messages."""
    _STATE.tracer, _STATE.sample_ratio = tracer, sample_ratio


def switch_off() -> None:
    """Make no more spans."""
    _STATE.tracer, _STATE.sample_ratio = None, 0.0
    _STATE.in_hand.clear()


def samples_next() -> bool:
    """Decide whether a new message is traced."""
    return _STATE.tracer is not None and random.random() < _STATE.sample_ratio  # noqa: S311  # no secret


class StageSpan:
    """The work of one stage on one ticket."""

    __slots__ = ("_attributes", "_known", "_span", "_ticket", "trace_id")

    def __init__(
        self,
        tracer: "Tracer",
        name: str,
        ticket: TracedTicket,
        parent: TraceContext,
        attributes: Mapping[str, Attribute],
    ) -> None:
        """Begin, and name the new span in the ticket."""
        self._ticket = ticket
        self._attributes = attributes
        self._known = len(ticket.timeline)
        self._span = tracer.start(name, parent)
        ids = self._span.get_span_context()
        self.trace_id = f"{ids.trace_id:032x}"
        ticket.traceparent = str(TraceContext(self.trace_id, f"{ids.span_id:016x}"))
        _STATE.in_hand[ticket.spool_id] = self

    def end(self, *, failed: bool = False) -> None:
        """End the span; the last event that the stage has put into the timeline is the outcome."""
        ticket = self._ticket
        if _STATE.in_hand.get(ticket.spool_id) is self:
            del _STATE.in_hand[ticket.spool_id]
        event = ticket.timeline[-1].event if len(ticket.timeline) > self._known else ""
        outcome = "failed" if failed else event or "done"
        self._span.set_attributes(
            {**ticket_attributes(ticket), **self._attributes, "mailyard.outcome": outcome}
        )
        if failed:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415  # loaded already

            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def stage_spans(
    name: str, tickets: Iterable[TracedTicket], attributes: Mapping[str, Attribute] | None = None
) -> list[StageSpan]:
    """Begin a span for each sampled ticket; none while tracing is off."""
    tracer = _STATE.tracer
    if tracer is None:
        return []
    return [
        StageSpan(tracer, name, ticket, parent, attributes or {})
        for ticket in tickets
        if (parent := parse_traceparent(ticket.traceparent)) is not None and parent.sampled
    ]


def record_root(name: str, ticket: TracedTicket, began_ns: int, attributes: Mapping[str, Attribute]) -> None:
    """Record the work that began a trace: the ticket's traceparent names this span itself."""
    if _STATE.tracer is None:
        return
    context = parse_traceparent(ticket.traceparent)
    if context is not None and context.sampled:
        attributes = {**ticket_attributes(ticket), **attributes, "mailyard.outcome": "message.accepted"}
        _STATE.tracer.record_root(name, context, began_ns, attributes)


def ticket_attributes(ticket: TracedTicket) -> dict[str, Attribute]:
    """Return the attributes of every span of a ticket. No addresses: traces go to other systems."""
    return {
        "mailyard.spool_id": ticket.spool_id,
        "mailyard.leg": ticket.leg,
        "mailyard.tenant": ticket.tenant,
        "mailyard.attempt": ticket.attempt,
    }


def add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Give log lines about a sampled message in hand its trace id (a structlog processor)."""
    if _STATE.in_hand and (span := _STATE.in_hand.get(event.get("spool_id", ""))):
        event["trace_id"] = span.trace_id
    return event
