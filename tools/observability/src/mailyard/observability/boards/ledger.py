"""The ledger: accepted recipients, outcomes, and the difference, which must be 0."""

from mailyard.observability.boards.expressions import rate, total
from mailyard.observability.dashboard import Board, Kind, Panel, Query, Row, Unit, bad_from

BOARD = Board(
    uid="mailyard-ledger",
    title="Ledger",
    description="Two independent counts: recipients that smtp-in accepted, and outcomes in the spool rows.",
    rows=(
        Row(
            "Difference",
            (
                Panel(
                    "Unaccounted",
                    "Recipients by which the two counts differ.",
                    (Query("sum(mailyard_mail_unaccounted)", "unaccounted"),),
                    kind=Kind.NUMBER,
                    width=6,
                    steps=bad_from(1),
                ),
                Panel(
                    "Unaccounted, over time",
                    "Any value but 0 means that mail was lost, or that rows exist which no edge accepted.",
                    (Query("sum(mailyard_mail_unaccounted)", "unaccounted"),),
                    width=10,
                    steps=bad_from(1),
                ),
                Panel(
                    "Audits",
                    "Audits of the ledger; one router at a time makes them.",
                    (Query(rate("mailyard_ledger_audits_total"), "audits"),),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "Recipients",
            (
                Panel(
                    "Recipients of open minutes",
                    "Recipients accepted in minutes that are not closed yet, by outcome.",
                    (
                        Query(
                            total('mailyard_ledger_recipients{became!~"accepted|expanded"}', "became"),
                            "{{became}}",
                        ),
                    ),
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Outcomes",
                    "Recipients that ended, per second.",
                    (Query(rate("mailyard_spool_outcomes_total", "result"), "{{result}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Accepted recipients",
                    "Recipients that smtp-in accepted, per second.",
                    (Query(rate("mailyard_smtp_in_accepted_recipients_total"), "accepted"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                Panel(
                    "Open mail",
                    "Messages, or legs, that have not ended.",
                    (Query(total("mailyard_spool_open_mails", "state"), "{{state}}"),),
                    width=12,
                    stacked=True,
                ),
            ),
        ),
    ),
)
