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
                    "1 while a primary is reached; the worst instance of each service.",
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
                    "Batched writes, 95 % within",
                    "Acceptance, outcomes and delivery: what mail waits for.",
                    (Query(quantile(0.95, "mailyard_store_write_seconds", "write"), "{{write}}"),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.STORE_WRITE_SECONDS),
                ),
                Panel(
                    "Batched writes",
                    "Each second, by what is written.",
                    (Query(rate("mailyard_store_write_seconds_count", "write"), "{{write}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Failures",
                    "Operations that failed because MongoDB was away or could not write.",
                    (Query(rate("mailyard_store_unavailable_total"), "failed"),),
                    unit=Unit.PER_SECOND,
                    steps=warn_from(0.1),
                ),
                Panel(
                    "Repeated transactions, and duplicates",
                    "Transactions that met a conflict, and messages that were in their mailbox already.",
                    (
                        Query(rate("mailyard_store_transaction_retries_total"), "repeated transactions"),
                        Query(rate("mailyard_mailbox_duplicates_total"), "duplicates"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Swept",
                    "Rows, messages and bodies that nobody needs and that were deleted.",
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
                    "1 while the connection is up, by purpose; the worst instance of each service.",
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
                    "Confirms, 95 % within",
                    "From publish to confirm: a majority of the broker's nodes has it on disk.",
                    (Query(quantile(0.95, "mailyard_broker_confirm_seconds", "queue"), "{{queue}}"),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "AMQP messages",
                    "Ready in each queue, as RabbitMQ counts them; each carries up to 50 mails.",
                    (Query(shared("mailyard_queue_broker_messages", "queue"), "{{queue}}"),),
                ),
                Panel(
                    "Unconfirmed",
                    "AMQP messages that the broker did not confirm.",
                    (Query(rate("mailyard_broker_publish_failures_total", "queue"), "{{queue}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Published and consumed",
                    "AMQP messages each second, over all queues.",
                    (
                        Query(rate("mailyard_broker_published_messages_total"), "published"),
                        Query(rate("mailyard_broker_consumed_messages_total"), "consumed"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Reconnections",
                    "Connections lost and begun anew, by purpose.",
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
                    "Spans that the collector took, and those that were thrown away. 0 where tracing is off.",
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
