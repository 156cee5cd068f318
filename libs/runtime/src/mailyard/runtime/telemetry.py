"""Metrics and events of the process itself: settings, life cycle, tracing."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, Event, Metric

METRICS: Final = (
    Metric("mailyard_build_info", "gauge", "Always 1; says which version runs.", ("service", "version")),
    Metric("mailyard_ready_state", "gauge", "1 while /readyz answers 200.", ()),
    Metric("mailyard_loop_lag_seconds", "histogram", "How late the event loop ran a timer.", (), SECONDS),
    Metric(
        "mailyard_proxy_headers_total",
        "counter",
        "Connections from balancers, by what became of their PROXY header.",
        ("listener", "outcome"),
    ),
    Metric(
        "mailyard_proxy_waiting_connections",
        "gauge",
        "Connections from balancers whose PROXY header has not come yet.",
        ("listener",),
    ),
    Metric(
        "mailyard_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate that is served ends, as Unix time.",
    ),
    Metric("mailyard_connections_held_bytes", "gauge", "Octets that all connections hold in memory."),
    Metric("mailyard_connections_held_limit_bytes", "gauge", "The limit of those octets."),
    Metric("mailyard_trace_spans_exported_total", "counter", "Spans that the collector took."),
    Metric(
        "mailyard_trace_spans_dropped_total",
        "counter",
        "Spans that were thrown away: the collector did not take them, or too many waited for it.",
        ("reason",),
    ),
)

EVENTS: Final = (
    Event("service.starting", "The process has its settings and begins to start its parts."),
    Event("service.started", "All parts have started."),
    Event("service.start_failed", "The process cannot start; the line says why and what to do."),
    Event(
        "settings.unknown_variable",
        "A variable begins with MAILYARD_ and belongs to no setting; it is ignored.",
    ),
    Event(
        "settings.old_variable",
        "A setting was given by its old name, which the next minor version refuses; `use` is its name now.",
    ),
    Event("service.stopping", "A signal, or a failed part, asked the process to stop."),
    Event("service.drain_timeout", "A part did not finish its work in time; what it held is redelivered."),
    Event("service.stop_problem", "A part failed while it was being stopped."),
    Event("service.stopped", "The process has ended in order."),
    Event("library.message", "A third-party library logged something; see `message`."),
    Event(
        "periodic.unavailable", "A server that a periodic task needs is away; it is tried again in its time."
    ),
    Event("periodic.failed", "A periodic task failed; it is tried again in its time."),
    Event(
        "proxy.header_refused",
        "A connection from a balancer was closed for want of a PROXY header; `outcome` says why.",
    ),
    Event("tracing.started", "Spans of sampled messages go to the collector."),
    Event("tracing.unavailable", "The collector does not take spans; they are thrown away, mail goes on."),
    Event("certificate.renewed", "A renewed certificate serves the handshakes to come."),
    Event("certificate.unusable", "A changed certificate cannot be used; the one before serves on."),
)
