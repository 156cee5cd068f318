"""Metrics and events of connections to RabbitMQ, publishers, consumers and mailbox events."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, SIZES, EventType, Metric

_WAITS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0)

METRICS: Final = (
    Metric("mailyard_broker_connected_state", "gauge", "1 while the connection is up.", ("purpose",)),
    Metric("mailyard_broker_reconnects_total", "counter", "Connections lost and opened again.", ("purpose",)),
    Metric(
        "mailyard_broker_published_tickets_total", "counter", "Tickets confirmed by the broker.", ("queue",)
    ),
    Metric("mailyard_broker_published_messages_total", "counter", "AMQP messages confirmed.", ("queue",)),
    Metric("mailyard_broker_publish_failures_total", "counter", "AMQP messages not confirmed.", ("queue",)),
    Metric("mailyard_broker_confirm_seconds", "histogram", "From publish to confirm.", ("queue",), SECONDS),
    Metric("mailyard_broker_consumed_tickets_total", "counter", "Tickets received.", ("queue",)),
    Metric("mailyard_broker_consumed_messages_total", "counter", "AMQP messages received.", ("queue",)),
    Metric(
        "mailyard_broker_handler_seconds", "histogram", "Duration of a handler call.", ("queue",), SECONDS
    ),
    Metric(
        "mailyard_queue_wait_seconds",
        "histogram",
        "Time of a ticket in its queue, until a handler call.",
        ("queue",),
        _WAITS,
    ),
    Metric("mailyard_broker_handler_tickets", "histogram", "Tickets per handler call.", ("queue",), SIZES),
    Metric(
        "mailyard_broker_poison_tickets_total",
        "counter",
        "Tickets that the handler cannot process.",
        ("queue",),
    ),
    Metric(
        "mailyard_broker_dead_letters_trimmed_total",
        "counter",
        "AMQP messages removed from the queue dead because it was above its bound.",
    ),
    Metric(
        "mailyard_broker_consumer_stalls_total",
        "counter",
        "Consumers that received nothing although mail waited, and that registered again.",
        ("queue",),
    ),
    Metric("mailyard_broker_events_published_total", "counter", "Mailbox events sent to the broker."),
    Metric(
        "mailyard_broker_events_dropped_total",
        "counter",
        "Mailbox events lost because the broker was unreachable.",
    ),
    Metric("mailyard_broker_events_received_total", "counter", "Mailbox events received."),
)

EVENTS: Final = (
    EventType("broker.connected", "A connection to RabbitMQ is up and the topology is declared."),
    EventType(
        "broker.connection_failed",
        "RabbitMQ is unreachable or refuses the connection; the process tries again.",
    ),
    EventType("broker.connection_lost", "A connection to RabbitMQ was lost; the process connects again."),
    EventType(
        "broker.topology_mismatch", "A queue or exchange exists with other properties; a person must act."
    ),
    EventType("broker.publish_failed", "Tickets were not confirmed; their rows will be published again."),
    EventType("broker.publish_recovered", "Tickets are confirmed again."),
    EventType("consumer.registered", "A consumer is registered with the broker."),
    EventType("consumer.lost", "A consumer's channel closed or the broker cancelled it; it registers again."),
    EventType("consumer.stalled", "Messages wait but nothing arrives; the consumer is registered again."),
    EventType(
        "consumer.unavailable",
        "A handler needs a server that is unreachable; the same tickets are tried again.",
    ),
    EventType("consumer.handler_failed", "A handler raised an error; its tickets are tried one by one."),
    EventType(
        "consumer.poison",
        "A ticket cannot be processed; the failure is written to its row, or the ticket goes to the dead-letter queue.",
    ),
    EventType(
        "broker.dead_letters_trimmed",
        "The queue dead was above its bound, and its oldest messages were removed; their mail is in the spool.",
    ),
    EventType(
        "consumer.unparsable", "An AMQP message is not a batch of tickets; it goes to the dead-letter queue."
    ),
    EventType("consumer.drained", "A consumer stopped; its tickets are processed or given back."),
    EventType("events.lost", "The queue of mailbox events ended with its channel; it is declared again."),
    EventType(
        "events.binding_failed", "The queue of mailbox events could not be bound; the binding is tried again."
    ),
    EventType("events.callback_failed", "A subscriber of mailbox events raised an error."),
)
