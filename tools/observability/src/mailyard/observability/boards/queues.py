"""The queues: how much waits, for how long, for whom."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import highest, mean, quantile, rate, shared, total
from mailyard.observability.dashboard import Board, Kind, Panel, Query, Row, Unit, bad_from, warn_from

_BY = "{{queue}}"

BOARD = Board(
    uid="mailyard-queues",
    title="Queues",
    description="Depth and age in mails and seconds, what goes in and out, time in each stage, and whose mail waits.",
    rows=(
        Row(
            "What waits",
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
                    "Mails, or legs of mails: active ones have a ticket under way, deferred ones wait for their next try.",
                    (Query(total("mailyard_spool_open_mails", "state"), "{{state}}"),),
                ),
            ),
        ),
        Row(
            "In and out",
            (
                Panel(
                    "In",
                    "Tickets put into each queue each second, releases of deferred mail included.",
                    (Query(rate("mailyard_broker_published_tickets_total", "queue"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Out",
                    "Tickets taken from each queue each second; redeliveries count again.",
                    (Query(rate("mailyard_broker_consumed_tickets_total", "queue"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Growth",
                    "In less out. Above 0 a queue grows: its consumers do not keep up.",
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
                    "Wait, half within",
                    "From entry into a queue to the handler that took the ticket, median.",
                    (Query(quantile(0.5, "mailyard_queue_wait_seconds", "queue"), _BY),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Wait, 95 % within",
                    "The same, 95th percentile.",
                    (Query(quantile(0.95, "mailyard_queue_wait_seconds", "queue"), _BY),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.QUEUE_AGE_SECONDS),
                ),
                Panel(
                    "Work, 95 % within",
                    "Duration of a handler call, which takes up to 200 tickets at once.",
                    (Query(quantile(0.95, "mailyard_broker_handler_seconds", "queue"), _BY),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Tickets in a call",
                    "Mean number of tickets that a handler gets at once: it grows with the load, and the cost of a mail"
                    " falls.",
                    (Query(mean("mailyard_broker_handler_tickets", "queue"), _BY),),
                ),
                Panel(
                    "Tickets in an AMQP message",
                    "Mean number of tickets that travel together.",
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
            "For whom",
            (
                Panel(
                    "Tenants with most waiting mail",
                    "Mails that have not ended, of the twenty tenants with most of them, and of all others together."
                    " Counted every half minute by one router.",
                    (Query("topk(21, sum by (tenant) (mailyard_tenant_waiting_mails))", "{{tenant}}"),),
                    width=12,
                    height=10,
                    stacked=True,
                ),
                Panel(
                    "Now",
                    "The same, now.",
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
            "Trouble",
            (
                Panel(
                    "Dead letters",
                    "Tickets in the queue of dead letters.",
                    (Query(shared('mailyard_queue_depth_mails{queue="dead"}'), "dead"),),
                    width=6,
                    steps=warn_from(1),
                ),
                Panel(
                    "Poison tickets",
                    "Tickets whose handler failed when it had them alone.",
                    (Query(rate("mailyard_broker_poison_tickets_total", "queue"), _BY),),
                    unit=Unit.PER_SECOND,
                    width=6,
                ),
                Panel(
                    "Lost tickets, and stalls",
                    "Tickets that were lost and published again, and consumers that were found dead and renewed.",
                    (
                        Query(rate("mailyard_router_reissued_total"), "reissued"),
                        Query(rate("mailyard_broker_consumer_stalls_total"), "stalls"),
                    ),
                    unit=Unit.PER_SECOND,
                    width=6,
                ),
                Panel(
                    "Release delay",
                    "For how long the oldest deferred mail has been due without being released.",
                    (Query(highest("mailyard_spool_overdue_seconds"), "overdue"),),
                    unit=Unit.SECONDS,
                    width=6,
                    steps=warn_from(limits.OVERDUE_SECONDS),
                ),
            ),
        ),
    ),
)
