"""delivery and relay: outcomes, destinations, and reasons for deferrals."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import mean, quantile, rate, total
from mailyard.observability.dashboard import Board, Kind, Panel, Query, Row, Unit, warn_from

BOARD = Board(
    uid="mailyard-delivery",
    title="Delivery and relay",
    description="Mail to mailboxes and to other hosts, by destination and reason. Domains are grouped by provider.",
    rows=(
        Row(
            "To mailboxes",
            (
                Panel(
                    "Delivered",
                    "Messages stored in mailboxes, by kind of mailbox.",
                    (Query(rate("mailyard_delivery_messages_total", "kind"), "{{kind}}"),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Batch size",
                    "Mean number of messages in one delivery transaction.",
                    (Query(mean("mailyard_delivery_batch_messages"), "messages"),),
                ),
                Panel(
                    "From acceptance to the mailbox, p95",
                    "Includes deferred mail.",
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
                    "Recipients of delivery attempts, by provider and result.",
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
                    "Share of recipients that were deferred or refused, over 15 minutes.",
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
                    "Recipients that were deferred or refused, by the subject of the status code (RFC 3463).",
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
                    "Duration of an attempt, p95",
                    "Includes DNS and the wait for a connection.",
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
                    "Connections, including idle ones, and legs that are claimed and have no outcome yet.",
                    (
                        Query(total("mailyard_relay_connections_open"), "connections"),
                        Query(total("mailyard_relay_legs_open"), "legs"),
                    ),
                ),
                Panel(
                    "Uncertain deliveries",
                    "Recipients that may get a mail twice, tickets whose leg could not be claimed, and outcomes that were written late.",
                    (
                        Query(rate("mailyard_relay_uncertain_total"), "uncertain"),
                        Query(rate("mailyard_relay_void_tickets_total"), "void tickets"),
                        Query(rate("mailyard_relay_report_retries_total"), "late outcomes"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Providers by volume",
                    "Recipients of delivery attempts per second, over 15 minutes.",
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
            "Deferrals and bounces",
            (
                Panel(
                    "Deferrals",
                    "Deferred legs, by route and by the subject of the status code (RFC 3463).",
                    (
                        Query(
                            rate("mailyard_spool_deferrals_total", "route, reason"), "{{route}}: {{reason}}"
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Share of deferred attempts",
                    "Deferrals divided by all attempts, over 15 minutes.",
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
