"""Metrics and events of delivery."""

from typing import Final

from mailyard.runtime.catalogue import SIZES, EventType, Metric

METRICS: Final = (
    Metric(
        "mailyard_delivery_messages_total",
        "counter",
        "Messages stored in mailboxes, by kind of mailbox.",
        ("kind",),
    ),
    Metric("mailyard_delivery_batch_messages", "histogram", "Messages of one insert.", (), SIZES),
    Metric(
        "mailyard_delivery_age_seconds",
        "histogram",
        "From acceptance to the mailbox.",
        (),
        (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
    ),
)

EVENTS: Final = (
    EventType("message.delivered", "The message is in its mailboxes."),
    EventType("message.redirected", "The message was sent on to another address, as a message of its own."),
)
