"""Metrics and events of the spool."""

from typing import Final

from mailyard.runtime.catalogue import SIZES, EventType, Metric

METRICS: Final = (
    Metric("mailyard_spool_batch_messages", "histogram", "Messages of one accepted batch.", (), SIZES),
    Metric(
        "mailyard_spool_unpublished_total", "counter", "Messages accepted while the broker was unreachable."
    ),
    Metric("mailyard_spool_outcomes_total", "counter", "Recipients with a final outcome.", ("result",)),
    Metric(
        "mailyard_spool_deferrals_total",
        "counter",
        "Legs deferred, by route and by the subject of the status code (RFC 3463).",
        ("route", "reason"),
    ),
)

EVENTS: Final = (
    EventType(
        "spool.unpublished",
        "Messages were accepted while the broker was unreachable; the reconciler publishes them.",
    ),
    EventType(
        "ledger.entry_missing", "A ledger entry could not be written; it is computed from the rows later."
    ),
    EventType("progress.unreported", "The progress of consumers could not be written."),
    EventType("message.accepted", "smtp-in has stored the message and answered 250."),
    EventType("message.deferred", "The message failed for now and is tried again later."),
    EventType("message.held", "The message is held: nothing is done about it before a decision."),
    EventType("message.hold_released", "A held message was released; it goes its way."),
    EventType(
        "message.hold_discarded",
        "A held message was discarded; `detail` says whether its sender gets a report.",
    ),
    EventType("message.failed", "The message cannot be delivered."),
)
