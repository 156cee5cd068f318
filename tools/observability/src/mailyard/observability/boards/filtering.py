"""filter: verdicts and what they come from."""

from mailyard.observability.boards.expressions import highest, mean, quantile, rate, shared
from mailyard.observability.dashboard import Board, Panel, Query, Row, Unit, warn_from

_QUEUES = 'queue=~"(local|remote).filter"'

BOARD = Board(
    uid="mailyard-filter",
    title="Filter",
    description="Verdicts by direction, findings by check, octets read, rules in force, and how the filter keeps up.",
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
                    "What the checks found, by check.",
                    (Query(rate("mailyard_filter_findings_total", "check"), "{{check}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                Panel(
                    "Octets read",
                    "Octets of bodies that were read for checks.",
                    (Query(rate("mailyard_filter_read_bytes_total"), "read"),),
                    unit=Unit.OCTETS_PER_SECOND,
                ),
                Panel(
                    "Rules in force",
                    "Content rules; the highest of all instances.",
                    (Query(highest("mailyard_filter_rules_active"), "rules"),),
                ),
                Panel(
                    "Refused changes",
                    "Changed files of rules that could not be used.",
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
                    "Mails in front of the filter.",
                    (Query(shared(f"mailyard_queue_depth_mails{{{_QUEUES}}}", "queue"), "{{queue}}"),),
                ),
                Panel(
                    "Duration of a call, 95 % within",
                    "One call takes up to 200 mails.",
                    (
                        Query(
                            quantile(0.95, "mailyard_broker_handler_seconds", "queue", _QUEUES), "{{queue}}"
                        ),
                    ),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Tickets in a call",
                    "Mean number, by direction.",
                    (Query(mean("mailyard_broker_handler_tickets", "queue", _QUEUES), "{{queue}}"),),
                ),
            ),
        ),
    ),
)
