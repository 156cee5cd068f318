"""filter: verdicts and findings."""

from mailyard.observability.boards.expressions import highest, mean, quantile, rate, shared
from mailyard.observability.dashboard import Board, Panel, Query, Row, Unit, warn_from

_QUEUES = 'queue=~"(local|remote).filter"'

BOARD = Board(
    uid="mailyard-filter",
    title="Filter",
    description="Verdicts by direction, findings by check, octets read, rules in force, and the backlog of the filter.",
    rows=(
        Row(
            "Verdicts",
            (
                Panel(
                    "Messages",
                    "Messages filtered, by direction and verdict.",
                    (
                        Query(
                            rate("mailyard_filter_messages_total", "direction, action"),
                            "{{direction}} {{action}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Findings",
                    "Findings, by check.",
                    (Query(rate("mailyard_filter_findings_total", "check"), "{{check}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                Panel(
                    "Octets read",
                    "Octets of bodies read for checks.",
                    (Query(rate("mailyard_filter_read_bytes_total"), "read"),),
                    unit=Unit.OCTETS_PER_SECOND,
                ),
                Panel(
                    "Rules in force",
                    "Number of content rules; the maximum of all instances.",
                    (Query(highest("mailyard_filter_rules_active"), "rules"),),
                ),
                Panel(
                    "Refused changes",
                    "Changed rules files that were refused.",
                    (Query(rate("mailyard_filter_rules_refused_total"), "refused"),),
                    unit=Unit.PER_SECOND,
                    steps=warn_from(0.001),
                ),
            ),
        ),
        Row(
            "Work",
            (
                Panel(
                    "Waiting mail",
                    "Mails that wait for the filter.",
                    (Query(shared(f"mailyard_queue_depth_mails{{{_QUEUES}}}", "queue"), "{{queue}}"),),
                ),
                Panel(
                    "Handler call, p95",
                    "Duration of a handler call, for up to 200 mails.",
                    (
                        Query(
                            quantile(0.95, "mailyard_broker_handler_seconds", "queue", _QUEUES), "{{queue}}"
                        ),
                    ),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Tickets per call",
                    "Mean number of tickets in a handler call, by direction.",
                    (Query(mean("mailyard_broker_handler_tickets", "queue", _QUEUES), "{{queue}}"),),
                ),
            ),
        ),
    ),
)
