"""delivery and relay: how mail ends, where to, and why some of it does not."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import mean, quantile, rate, total
from mailyard.observability.dashboard import Board, Kind, Panel, Query, Row, Unit, warn_from

BOARD = Board(
    uid="mailyard-delivery",
    title="Delivery and relay",
    description="Mail into mailboxes and out to other hosts, by destination and reason. Domains are grouped by provider.",
    rows=(
        Row(
            "Into mailboxes",
            (
                Panel(
                    "Delivered",
                    "Messages put in mailboxes, by kind of mailbox.",
                    (Query(rate("mailyard_delivery_messages_total", "kind"), "{{kind}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Messages of an insert",
                    "Mean number of messages that one transaction puts in mailboxes.",
                    (Query(mean("mailyard_delivery_batch_messages"), "messages"),),
                ),
                Panel(
                    "From acceptance to the mailbox, 95 % within",
                    "Deferred mail included.",
                    (Query(quantile(0.95, "mailyard_delivery_age_seconds"), "age"),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.DELIVERY_SECONDS),
                ),
            ),
        ),
        Row(
            "To other hosts, by destination",
            (
                Panel(
                    "Recipients",
                    "Recipients tried, by provider and what the try made of them.",
                    (
                        Query(
                            rate("mailyard_relay_recipients_total", "provider, fate"), "{{provider}} {{fate}}"
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Not relayed, by provider",
                    "Share of tried recipients that were put off or refused, over 15 minutes.",
                    (
                        Query(
                            "sum by (provider) (mailyard:relay_not_relayed:ratio15m)",
                            "{{provider}}",
                        ),
                    ),
                    unit=Unit.SHARE,
                    steps=warn_from(limits.REFUSED_SHARE),
                ),
                Panel(
                    "Reasons",
                    "Recipients that were put off or refused, by the subject of the status code (RFC 3463).",
                    (
                        Query(
                            rate("mailyard_relay_refusals_total", "provider, fate, reason"),
                            "{{provider}} {{fate}}: {{reason}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Duration of a try, 95 % within",
                    "DNS and waiting for a connection included.",
                    (Query(quantile(0.95, "mailyard_relay_attempt_seconds", "provider"), "{{provider}}"),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Sessions",
                    "Connections that became ready, by TLS version.",
                    (Query(rate("mailyard_relay_sessions_total", "provider, tls"), "{{provider}} {{tls}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Failed sessions",
                    "Connections that did not become ready, by the step at which they failed.",
                    (
                        Query(
                            rate("mailyard_relay_session_failures_total", "provider, step"),
                            "{{provider}} {{step}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Open connections and legs",
                    "Connections, idle ones included, and legs that are claimed and not reported.",
                    (
                        Query(total("mailyard_relay_connections_open"), "connections"),
                        Query(total("mailyard_relay_legs_open"), "legs"),
                    ),
                ),
                Panel(
                    "Doubtful ends",
                    "Recipients that may get a mail twice, tickets whose leg was not to be claimed, late reports.",
                    (
                        Query(rate("mailyard_relay_uncertain_total"), "uncertain"),
                        Query(rate("mailyard_relay_void_tickets_total"), "void tickets"),
                        Query(rate("mailyard_relay_report_retries_total"), "late reports"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Providers by volume",
                    "Recipients tried each second, over 15 minutes.",
                    (
                        Query(
                            "sort_desc(sum by (provider) (mailyard:relay_recipients:rate15m))", "{{provider}}"
                        ),
                    ),
                    kind=Kind.BARS,
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "What waits and what ends",
            (
                Panel(
                    "Deferrals",
                    "Legs put off, by route and by the subject of the status code (RFC 3463).",
                    (
                        Query(
                            rate("mailyard_spool_deferrals_total", "route, reason"), "{{route}}: {{reason}}"
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Share of tries that put off",
                    "Deferrals in all tries, over 15 minutes.",
                    (Query("max(mailyard:deferred_legs:ratio15m)", "deferred"),),
                    unit=Unit.SHARE,
                    steps=warn_from(limits.DEFERRED_SHARE),
                ),
                Panel(
                    "Bounces",
                    "Bounces made by the router.",
                    (Query(rate("mailyard_router_bounces_total"), "bounces"),),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
    ),
)
