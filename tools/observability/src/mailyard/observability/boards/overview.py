"""The overview: whether mail flows."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import by_service, highest, quantile, rate, shared, total
from mailyard.observability.dashboard import (
    Board,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Step,
    Unit,
    bad_from,
    warn_from,
)

BOARD = Board(
    uid="mailyard-overview",
    title="Overview",
    description="Whether mail flows, how fast, and what blocks it.",
    rows=(
        Row(
            "Now",
            (
                Panel(
                    "Unaccounted recipients",
                    "Recipients by which the two sources of the ledger differ. Any value but 0 is an alarm.",
                    (Query("sum(mailyard_mail_unaccounted)"),),
                    steps=bad_from(1),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
                Panel(
                    "Mails in queues",
                    "Mails that wait in all queues together, without dead letters.",
                    (Query('sum(max by (namespace, queue) (mailyard_queue_depth_mails{queue!="dead"}))'),),
                    steps=warn_from(limits.QUEUE_DEPTH_MAILS),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
                Panel(
                    "Oldest mail in a queue",
                    "How long the oldest mail of any queue has waited.",
                    (Query('max(mailyard_queue_oldest_seconds{queue!="dead"})'),),
                    unit=Unit.SECONDS,
                    steps=bad_from(limits.QUEUE_AGE_CRITICAL_SECONDS, limits.QUEUE_AGE_SECONDS),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
                Panel(
                    "Dead letters",
                    "Tickets that their consumers could not handle.",
                    (Query(shared('mailyard_queue_depth_mails{queue="dead"}')),),
                    steps=warn_from(1),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
                Panel(
                    "Refusing new mail",
                    "Yes while an smtp-in answers all new mail with 4xx: MongoDB slow, disk full or queue too old.",
                    (Query("max(mailyard_smtp_in_refusing_state)"),),
                    unit=Unit.YES_NO,
                    steps=bad_from(1),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
                Panel(
                    "Canary",
                    "Whether the last mail of the canary arrived, by leg: local to IMAP, echo to the outside and back.",
                    (Query("min by (leg) (mailyard_canary_success_state)", "{{leg}}"),),
                    unit=Unit.YES_NO,
                    below=Colour.BAD,
                    steps=(Step(1, Colour.GOOD),),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
            ),
        ),
        Row(
            "Flow",
            (
                Panel(
                    "Messages",
                    "Messages accepted with 250, messages delivered to mailboxes, and recipients relayed, per second.",
                    (
                        Query(rate("mailyard_smtp_in_accepted_messages_total"), "accepted"),
                        Query(rate("mailyard_delivery_messages_total"), "delivered"),
                        Query(rate('mailyard_relay_recipients_total{fate="relayed"}'), "relayed"),
                    ),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                Panel(
                    "From acceptance to the mailbox",
                    "Time that local mail takes, from its 250 to the mailbox.",
                    (
                        Query(quantile(0.5, "mailyard_delivery_age_seconds"), "p50"),
                        Query(quantile(0.95, "mailyard_delivery_age_seconds"), "p95"),
                        Query(quantile(0.99, "mailyard_delivery_age_seconds"), "p99"),
                    ),
                    unit=Unit.SECONDS,
                    width=12,
                    steps=warn_from(limits.DELIVERY_SECONDS),
                ),
                Panel(
                    "Outcomes",
                    "Recipients that ended, by result.",
                    (Query(rate("mailyard_spool_outcomes_total", "result"), "{{result}}"),),
                    unit=Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Open mail",
                    "Messages, or legs: active ones have a ticket in a queue or a service, deferred ones wait until they are due.",
                    (Query(total("mailyard_spool_open_mails", "state"), "{{state}}"),),
                    stacked=True,
                ),
                Panel(
                    "The canary's mail",
                    "How long the canary's last mail took.",
                    (Query(highest("mailyard_canary_seconds", "leg"), "{{leg}}"),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.CANARY_SECONDS),
                ),
            ),
        ),
        Row(
            "Services",
            (
                Panel(
                    "Ready instances",
                    "Instances whose /readyz answers 200, by service.",
                    (Query("sum by (service) (mailyard:service_ready_instances:sum)", "{{service}}"),),
                ),
                Panel(
                    "CPU",
                    "CPU cores that all instances of a service use.",
                    (
                        Query(
                            f"sum by (service) ({by_service('rate(process_cpu_seconds_total[$__rate_interval])')})",
                            "{{service}}",
                        ),
                    ),
                    unit=Unit.CORES,
                    stacked=True,
                ),
                Panel(
                    "Memory",
                    "Resident memory of all instances of a service.",
                    (
                        Query(
                            f"sum by (service) ({by_service('process_resident_memory_bytes')})", "{{service}}"
                        ),
                    ),
                    unit=Unit.OCTETS,
                    stacked=True,
                ),
                Panel(
                    "Loop lag",
                    "Delay of timers in the event loop, p99; the worst instance of each service.",
                    (
                        Query(
                            "max by (service) ("
                            + by_service(quantile(0.99, "mailyard_loop_lag_seconds", "namespace, instance"))
                            + ")",
                            "{{service}}",
                        ),
                    ),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.LOOP_LAG_SECONDS),
                ),
                Panel(
                    "Open files",
                    "Share of the limit of open files; the worst instance of each service.",
                    (
                        Query(
                            f"max by (service) ({by_service('(process_open_fds / process_max_fds)')})",
                            "{{service}}",
                        ),
                    ),
                    unit=Unit.SHARE,
                    steps=warn_from(limits.OPEN_FILES_SHARE),
                ),
                Panel(
                    "Versions",
                    "Instances by service and version; two versions at once mean a rollout.",
                    (Query("count by (service, version) (mailyard_build_info)", "{{service}} {{version}}"),),
                    kind=Kind.BARS,
                ),
            ),
        ),
    ),
)
