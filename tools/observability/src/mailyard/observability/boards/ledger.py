"""The ledger: what was accepted, what became of it, and the difference, which must be 0."""

from mailyard.observability.boards.expressions import rate, total
from mailyard.observability.dashboard import Board, Kind, Panel, Query, Row, Unit, bad_from

BOARD = Board(
    uid="mailyard-ledger",
    title="Ledger",
    description="Two independent books: what the edges said 250 to, and what the rows say became of it.",
    rows=(
        Row(
            "Books",
            (
                Panel(
                    "Unaccounted",
                    "Recipients by which the books differ.",
                    (Query("sum(mailyard_mail_unaccounted)", "unaccounted"),),
                    kind=Kind.NUMBER,
                    width=6,
                    steps=bad_from(1),
                ),
                Panel(
                    "Unaccounted, over time",
                    "Anything but 0 means that mail was lost or came from nowhere.",
                    (Query("sum(mailyard_mail_unaccounted)", "unaccounted"),),
                    width=10,
                    steps=bad_from(1),
                ),
                Panel(
                    "Comparisons",
                    "How often the books are compared; by one router at a time.",
                    (Query(rate("mailyard_ledger_audits_total"), "audits"),),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "What became of recipients",
            (
                Panel(
                    "Recipients of open minutes",
                    "Recipients accepted in the minutes that are not closed yet, by what became of them.",
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
                    "Ends",
                    "Recipients that ended, each second.",
                    (Query(rate("mailyard_spool_outcomes_total", "result"), "{{result}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Accepted recipients",
                    "Recipients that the edges answered for, each second.",
                    (Query(rate("mailyard_smtp_in_accepted_recipients_total"), "accepted"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                Panel(
                    "Still open",
                    "Mails, or legs of mails, that have not ended.",
                    (Query(total("mailyard_spool_open_mails", "state"), "{{state}}"),),
                    width=12,
                    stacked=True,
                ),
            ),
        ),
    ),
)
