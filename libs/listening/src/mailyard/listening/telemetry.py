"""Metrics and events of listeners: PROXY headers, certificates, memory of connections."""

from typing import Final

from mailyard.runtime.catalogue import EventType, Metric

METRICS: Final = (
    Metric(
        "mailyard_proxy_headers_total",
        "counter",
        "Connections from load balancers, by the outcome of their PROXY header.",
        ("listener", "outcome"),
    ),
    Metric(
        "mailyard_proxy_waiting_connections",
        "gauge",
        "Connections from load balancers whose PROXY header has not arrived yet.",
        ("listener",),
    ),
    Metric(
        "mailyard_certificate_expiry_timestamp_seconds",
        "gauge",
        "End of the validity of the certificate in use, as Unix time.",
    ),
    Metric("mailyard_connections_held_bytes", "gauge", "Octets held in memory by all connections."),
    Metric("mailyard_connections_held_limit_bytes", "gauge", "Limit of mailyard_connections_held_bytes."),
)

EVENTS: Final = (
    EventType(
        "proxy.header_refused",
        "A connection from a load balancer was closed, because its PROXY header is missing or wrong; `outcome` says why.",
    ),
    EventType("certificate.renewed", "A renewed certificate is in use for new handshakes."),
    EventType("certificate.unusable", "A changed certificate cannot be used; the one before stays in use."),
)
