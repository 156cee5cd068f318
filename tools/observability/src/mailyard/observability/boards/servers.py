"""MongoDB and RabbitMQ, as the services see them."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import by_service, quantile, rate, shared
from mailyard.observability.dashboard import Board, Colour, Panel, Query, Row, Step, Unit, warn_from

_UP = (Step(1, Colour.GOOD),)

BOARD = Board(
    uid="mailyard-servers",
    title="Store and broker",
    description="Connections to MongoDB and RabbitMQ, time of batched writes and confirms, failures, tracing.",
    rows=(
        Row(
            "Store (MongoDB)",
            (
                Panel(
                    "Connected",
                    "1 while a primary is reachable; the worst instance of each service.",
                    (
                        Query(
                            f"min by (service) ({by_service('mailyard_store_connected_state')})",
                            "{{service}}",
                        ),
                    ),
                    below=Colour.BAD,
                    steps=_UP,
                ),
                Panel(
                    "Batched writes, p95",
                    "Writes that mail waits for: acceptance, outcomes and delivery.",
                    (Query(quantile(0.95, "mailyard_store_write_seconds", "write"), "{{write}}"),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.STORE_WRITE_SECONDS),
                ),
                Panel(
                    "Batched writes",
                    "Writes per second, by kind.",
                    (Query(rate("mailyard_store_write_seconds_count", "write"), "{{write}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Failures",
                    "Operations that failed because MongoDB was unreachable or could not write.",
                    (Query(rate("mailyard_store_unavailable_total"), "failed"),),
                    unit=Unit.PER_SECOND,
                    steps=warn_from(0.1),
                ),
                Panel(
                    "Repeated transactions and duplicates",
                    "Transactions that were repeated after a conflict, and messages that were already in their mailbox.",
                    (
                        Query(rate("mailyard_store_transaction_retries_total"), "repeated transactions"),
                        Query(rate("mailyard_mailbox_duplicates_total"), "duplicates"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Swept",
                    "Rows, messages and bodies that the sweep deleted.",
                    (Query(rate("mailyard_router_swept_total", "kind"), "{{kind}}"),),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "Broker (RabbitMQ)",
            (
                Panel(
                    "Connected",
                    "1 while connected, by purpose; the worst instance of each service.",
                    (
                        Query(
                            f"min by (service, purpose) ({by_service('mailyard_broker_connected_state')})",
                            "{{service}} {{purpose}}",
                        ),
                    ),
                    below=Colour.BAD,
                    steps=_UP,
                ),
                Panel(
                    "Confirms, p95",
                    "Time from publish to confirm; then a majority of RabbitMQ's nodes has the message on disk.",
                    (Query(quantile(0.95, "mailyard_broker_confirm_seconds", "queue"), "{{queue}}"),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "AMQP messages",
                    "Messages ready in each queue, as RabbitMQ counts them; each carries up to 50 mails.",
                    (Query(shared("mailyard_queue_broker_messages", "queue"), "{{queue}}"),),
                ),
                Panel(
                    "Unconfirmed",
                    "AMQP messages that RabbitMQ did not confirm.",
                    (Query(rate("mailyard_broker_publish_failures_total", "queue"), "{{queue}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Published and consumed",
                    "AMQP messages per second, over all queues.",
                    (
                        Query(rate("mailyard_broker_published_messages_total"), "published"),
                        Query(rate("mailyard_broker_consumed_messages_total"), "consumed"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Reconnections",
                    "Connections that were lost and opened again, by purpose.",
                    (Query(rate("mailyard_broker_reconnects_total", "purpose"), "{{purpose}}"),),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "Tracing",
            (
                Panel(
                    "Spans",
                    "Spans that the collector accepted, and spans that were dropped. 0 while tracing is off.",
                    (
                        Query(rate("mailyard_trace_spans_exported_total"), "exported"),
                        Query(rate("mailyard_trace_spans_dropped_total", "reason"), "dropped: {{reason}}"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
    ),
)
