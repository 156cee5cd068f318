"""Spans of sampled messages: what the stages tell, and where it goes. Nothing is done, or loaded, while tracing is off.

A stage works on a ticket under a `StageSpan`; the ticket's traceparent names that span meanwhile, so that the next
stage's span is its child. Telling never waits: the exporter has a thread and a bounded queue of its own.
"""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from structlog.typing import EventDict, WrappedLogger

from mailyard.runtime.trace import TraceContext, parse_traceparent

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Span:
    """One finished piece of work; times are Unix time in nanoseconds, `parent` is empty at the root."""

    name: str
    context: TraceContext
    parent: str
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    failed: bool = False


class Takes(Protocol):
    """Where finished spans go."""

    def take(self, span: Span) -> None:
        """Keep a span for export; never waits and never raises."""


class Traced(Protocol):
    """What is needed of a ticket."""

    spool_id: str
    leg: int
    tenant: str
    attempt: int
    traceparent: str

    @property
    def timeline(self) -> Sequence["Happened"]:
        """What has happened to the message so far."""


class Happened(Protocol):
    """One entry of a timeline."""

    @property
    def event(self) -> str:
        """A name of the event catalogue."""


@dataclass(slots=True)
class _State:
    """Of the process: one exporter, and the traces of the messages in hand."""

    exporter: Takes | None = None
    sample_ratio: float = 0.0
    in_hand: "dict[str, StageSpan]" = field(default_factory=dict)  # by spool id


_STATE = _State()


def switch_on(exporter: Takes, sample_ratio: float) -> None:
    """Tell spans to `exporter` from now on, and sample this share of new messages."""
    _STATE.exporter, _STATE.sample_ratio = exporter, sample_ratio


def switch_off() -> None:
    """Tell nobody."""
    _STATE.exporter, _STATE.sample_ratio = None, 0.0
    _STATE.in_hand.clear()


def samples_next() -> bool:
    """Decide whether a new message is traced."""
    return _STATE.exporter is not None and random.random() < _STATE.sample_ratio  # noqa: S311  # no secret


class StageSpan:
    """The work of one stage on one ticket."""

    __slots__ = ("_attributes", "_began_ns", "_context", "_known", "_name", "_parent", "_ticket")

    def __init__(
        self, name: str, ticket: Traced, parent: TraceContext, attributes: Mapping[str, Attribute]
    ) -> None:
        """Begin, and name the new span in the ticket."""
        self._name = name
        self._ticket = ticket
        self._parent = parent.span_id
        self._context = parent.child()
        self._attributes = attributes
        self._known = len(ticket.timeline)
        self._began_ns = time.time_ns()
        ticket.traceparent = str(self._context)
        _STATE.in_hand[ticket.spool_id] = self

    @property
    def trace_id(self) -> str:
        """Of the message."""
        return self._context.trace_id

    def end(self, *, failed: bool = False) -> None:
        """Tell of the work; what the stage has noted in the ticket is the outcome."""
        ticket = self._ticket
        if _STATE.in_hand.get(ticket.spool_id) is self:
            del _STATE.in_hand[ticket.spool_id]
        noted = ticket.timeline[-1].event if len(ticket.timeline) > self._known else ""
        outcome = "failed" if failed else noted or "done"
        attributes = {**ticket_attributes(ticket), **self._attributes, "mailyard.outcome": outcome}
        tell(
            Span(
                self._name,
                self._context,
                self._parent,
                self._began_ns,
                time.time_ns(),
                attributes,
                failed=failed,
            )
        )


def stage_spans(
    name: str, tickets: Iterable[Traced], attributes: Mapping[str, Attribute] | None = None
) -> list[StageSpan]:
    """Begin a span for each sampled ticket; none while tracing is off."""
    if _STATE.exporter is None:
        return []
    return [
        StageSpan(name, ticket, parent, attributes or {})
        for ticket in tickets
        if (parent := parse_traceparent(ticket.traceparent)) is not None and parent.sampled
    ]


def tell_root(name: str, ticket: Traced, began_ns: int, attributes: Mapping[str, Attribute]) -> None:
    """Tell of the work that began a trace: the ticket's traceparent is its own place."""
    if _STATE.exporter is None:
        return
    context = parse_traceparent(ticket.traceparent)
    if context is not None and context.sampled:
        told = {**ticket_attributes(ticket), **attributes, "mailyard.outcome": "message.accepted"}
        tell(Span(name, context, "", began_ns, time.time_ns(), told))


def tell(span: Span) -> None:
    """Hand a finished span to the exporter, if there is one."""
    if _STATE.exporter is not None:
        _STATE.exporter.take(span)


def ticket_attributes(ticket: Traced) -> dict[str, Attribute]:
    """Return what every span of a ticket says. No addresses: traces go to other systems."""
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
