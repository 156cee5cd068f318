"""Metrics and events of the spool."""

from typing import Final

from mailyard.runtime.catalogue import SIZES, Event, Metric

METRICS: Final = (
    Metric("mailyard_spool_batch_messages", "histogram", "Messages of one accepted batch.", (), SIZES),
    Metric("mailyard_spool_unpublished_total", "counter", "Messages accepted while the broker was away."),
    Metric("mailyard_spool_outcomes_total", "counter", "Recipients that ended.", ("result",)),
    Metric(
        "mailyard_spool_deferrals_total",
        "counter",
        "Legs put off, by where to and by the subject of the status code (RFC 3463).",
        ("route", "reason"),
    ),
)

EVENTS: Final = (
    Event(
        "spool.unpublished",
        "Messages were accepted while the broker was away; the reconciler publishes them.",
    ),
    Event("ledger.entry_missing", "A ledger entry could not be written; it is made from the rows later."),
    Event("progress.unreported", "The progress of consumers could not be written."),
    Event("message.accepted", "An edge has stored the message and said so."),
    Event("message.deferred", "The message could not go on for now and waits."),
    Event("message.failed", "The message cannot be delivered."),
)
