"""The queues: depth, age, throughput, and waiting mail by tenant."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import highest, mean, quantile, rate, shared, total
from mailyard.observability.dashboard import Board, Kind, Panel, Query, Row, Unit, bad_from, warn_from

_BY = "{{queue}}"

BOARD = Board(
    uid="mailyard-queues",
    title="Queues",
    description="Depth in mails, age in seconds, rates in and out, time in each stage, and waiting mail by tenant.",
    rows=(
        Row(
            "Waiting mail",
            (
                Panel(
                    "Depth",
                    "Mails that wait in each queue. One AMQP message carries up to 50 of them.",
                    (Query(shared("mailyard_queue_depth_mails", "queue"), _BY),),
                    steps=warn_from(limits.QUEUE_DEPTH_MAILS),
                ),
                Panel(
                    "Age",
                    "How long the oldest mail of each queue has waited.",
                    (Query(highest("mailyard_queue_oldest_seconds", "queue"), _BY),),
                    unit=Unit.SECONDS,
                    steps=bad_from(limits.QUEUE_AGE_CRITICAL_SECONDS, limits.QUEUE_AGE_SECONDS),
                ),
                Panel(
                    "Active and deferred",
                    "Messages, or legs: active ones have a ticket in a queue or a service, deferred ones wait for their next attempt.",
                    (Query(total("mailyard_spool_open_mails", "state"), "{{state}}"),),
                ),
            ),
        ),
        Row(
            "In and out",
            (
                Panel(
                    "In",
                    "Tickets published to each queue per second, including releases of deferred mail.",
                    (Query(rate("mailyard_broker_published_tickets_total", "queue"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Out",
                    "Tickets taken from each queue per second; redeliveries count again.",
                    (Query(rate("mailyard_broker_consumed_tickets_total", "queue"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Growth",
                    "In minus out. Above 0 the queue grows: its consumers are too slow.",
                    (
                        Query(
                            rate("mailyard_broker_published_tickets_total", "queue")
                            + " - "
                            + rate("mailyard_broker_consumed_tickets_total", "queue"),
                            _BY,
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    signed=True,
                ),
            ),
        ),
        Row(
            "Time in stage",
            (
                Panel(
                    "Wait, p50",
                    "Time from entry into a queue to the handler call, median.",
                    (Query(quantile(0.5, "mailyard_queue_wait_seconds", "queue"), _BY),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Wait, p95",
                    "Time from entry into a queue to the handler call, 95th percentile.",
                    (Query(quantile(0.95, "mailyard_queue_wait_seconds", "queue"), _BY),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.QUEUE_AGE_SECONDS),
                ),
                Panel(
                    "Handler call, p95",
                    "Duration of a handler call, for up to 200 tickets at once.",
                    (Query(quantile(0.95, "mailyard_broker_handler_seconds", "queue"), _BY),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Tickets per call",
                    "Mean number of tickets in a handler call. It grows with the load, and the cost per mail falls.",
                    (Query(mean("mailyard_broker_handler_tickets", "queue"), _BY),),
                ),
                Panel(
                    "Tickets per AMQP message",
                    "Mean number of tickets in one AMQP message.",
                    (
                        Query(
                            rate("mailyard_broker_consumed_tickets_total", "queue")
                            + " / "
                            + rate("mailyard_broker_consumed_messages_total", "queue"),
                            _BY,
                        ),
                    ),
                ),
                Panel(
                    "Consumers",
                    "Consumers of each queue, as RabbitMQ counts them. 0 is an alarm.",
                    (Query(shared('mailyard_queue_consumers{queue!="dead"}', "queue"), _BY),),
                ),
            ),
        ),
        Row(
            "By tenant",
            (
                Panel(
                    "Tenants with most waiting mail",
                    "Open mails of the twenty tenants that have most, and of all others together."
                    " Counted every half minute by one router.",
                    (Query("topk(21, sum by (tenant) (mailyard_tenant_waiting_mails))", "{{tenant}}"),),
                    width=12,
                    height=10,
                    stacked=True,
                ),
                Panel(
                    "Current",
                    "Open mails by tenant, current value.",
                    (
                        Query(
                            "sort_desc(topk(21, sum by (tenant) (mailyard_tenant_waiting_mails)))",
                            "{{tenant}}",
                        ),
                    ),
                    kind=Kind.BARS,
                    width=12,
                    height=10,
                ),
            ),
        ),
        Row(
            "Problems",
            (
                Panel(
                    "Dead letters",
                    "Tickets in the queue dead.",
                    (Query(shared('mailyard_queue_depth_mails{queue="dead"}'), "dead"),),
                    width=6,
                    steps=warn_from(1),
                ),
                Panel(
                    "Poison tickets",
                    "Tickets that made their handler fail, also alone.",
                    (Query(rate("mailyard_broker_poison_tickets_total", "queue"), _BY),),
                    unit=Unit.PER_SECOND,
                    width=6,
                ),
                Panel(
                    "Lost tickets and stalled consumers",
                    "Tickets that were lost and published again, and consumers that stalled and registered again.",
                    (
                        Query(rate("mailyard_router_reissued_total"), "reissued"),
                        Query(rate("mailyard_broker_consumer_stalls_total"), "stalls"),
                    ),
                    unit=Unit.PER_SECOND,
                    width=6,
                ),
                Panel(
                    "Release delay",
                    "How long the oldest due mail has not been released.",
                    (Query(highest("mailyard_spool_overdue_seconds"), "overdue"),),
                    unit=Unit.SECONDS,
                    width=6,
                    steps=warn_from(limits.OVERDUE_SECONDS),
                ),
            ),
        ),
    ),
)
