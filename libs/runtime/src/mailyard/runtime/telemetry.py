"""Metrics and events of the process itself: settings, life cycle, tracing."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, EventType, Metric

METRICS: Final = (
    Metric(
        "mailyard_build_info",
        "gauge",
        "Always 1; the labels are service and version.",
        ("service", "version"),
    ),
    Metric("mailyard_ready_state", "gauge", "1 while /readyz answers 200.", ()),
    Metric(
        "mailyard_loop_lag_seconds", "histogram", "Delay with which the event loop ran a timer.", (), SECONDS
    ),
    Metric("mailyard_trace_spans_exported_total", "counter", "Spans accepted by the collector."),
    Metric(
        "mailyard_trace_spans_dropped_total",
        "counter",
        "Spans dropped, because the collector refused them or the queue was full.",
        ("reason",),
    ),
)

EVENTS: Final = (
    EventType("service.starting", "The process has read its settings and starts its components."),
    EventType("service.started", "All components have started."),
    EventType(
        "service.start_failed", "The process cannot start; `error` and `advice` say why and what to do."
    ),
    EventType(
        "settings.unknown_variable",
        "A variable begins with MAILYARD_ and belongs to no setting; it is ignored.",
    ),
    EventType(
        "settings.old_variable",
        "A setting was given by its old name, which the next minor version refuses; `use` is its name now.",
    ),
    EventType(
        "service.stopping",
        "The process stops, because of a signal or of a failed component; `reason` says which.",
    ),
    EventType(
        "service.drain_timeout", "A component did not finish its work in time; its tickets are redelivered."
    ),
    EventType("service.stop_problem", "A component failed while it stopped."),
    EventType("service.stopped", "The process has stopped in order."),
    EventType("library.message", "A third-party library logged something; see `message`."),
    EventType(
        "periodic.unavailable",
        "A periodic task needs a server that is unreachable; the next call comes at its usual time.",
    ),
    EventType("periodic.failed", "A periodic task failed; the next call comes at its usual time."),
    EventType("tracing.started", "Spans of sampled messages go to the collector."),
    EventType(
        "tracing.unavailable",
        "The collector refuses spans or is unreachable; spans are dropped, mail goes on.",
    ),
)
