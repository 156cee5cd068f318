"""Metrics and events of the MongoDB store."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, Event, Metric

METRICS: Final = (
    Metric("mailyard_store_transaction_retries_total", "counter", "Transactions repeated after a conflict."),
    Metric("mailyard_store_connected_state", "gauge", "1 while MongoDB has a primary that we reach."),
    Metric(
        "mailyard_store_unavailable_total",
        "counter",
        "Operations that failed because MongoDB was unreachable, could not write, or refused the login or a right.",
    ),
    Metric(
        "mailyard_store_write_seconds",
        "histogram",
        "Duration of a batched write on the way of mail.",
        ("write",),
        SECONDS,
    ),
)

EVENTS: Final = (Event("store.unavailable", "MongoDB does not answer; the process keeps trying."),)
