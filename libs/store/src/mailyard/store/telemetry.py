"""Metrics and events of the MongoDB store."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, EventType, Metric

METRICS: Final = (
    Metric("mailyard_store_transaction_retries_total", "counter", "Transactions repeated after a conflict."),
    Metric("mailyard_store_connected_state", "gauge", "1 while a primary of MongoDB is reachable."),
    Metric(
        "mailyard_store_unavailable_total",
        "counter",
        "Operations that failed because MongoDB was unreachable, could not write, or refused the login or a right.",
    ),
    Metric(
        "mailyard_store_write_seconds",
        "histogram",
        "Duration of a batched write of the mail pipeline.",
        ("write",),
        SECONDS,
    ),
)

EVENTS: Final = (EventType("store.unavailable", "MongoDB does not answer; the process tries again."),)
