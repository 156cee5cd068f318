"""imap: connections, commands and their duration."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import quantile, rate, total
from mailyard.observability.dashboard import Board, Panel, Query, Row, Unit, warn_from

BOARD = Board(
    uid="mailyard-imap",
    title="IMAP",
    description="Connections, IDLE, commands by result and duration, logins, octets, and the events that wake sessions.",
    rows=(
        Row(
            "Clients",
            (
                Panel(
                    "Open connections",
                    "Open connections, by listener; imap scales on them.",
                    (Query(total("mailyard_imap_open_connections", "listener"), "{{listener}}"),),
                    stacked=True,
                ),
                Panel(
                    "New and refused connections",
                    "Accepted connections by listener, and refused connections by limit.",
                    (
                        Query(rate("mailyard_imap_connections_total", "listener"), "{{listener}}"),
                        Query(rate("mailyard_imap_refused_connections_total", "limit"), "refused: {{limit}}"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Sessions in IDLE",
                    "Sessions that wait for changes.",
                    (Query(total("mailyard_imap_idling_sessions"), "idling"),),
                ),
                Panel(
                    "Logins",
                    "Logins, by outcome.",
                    (
                        Query(
                            rate('mailyard_login_attempts_total{login_service="imap"}', "outcome"),
                            "{{outcome}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Octets",
                    "Octets from and to clients, and octets of appended messages.",
                    (
                        Query(rate("mailyard_imap_received_bytes_total"), "received"),
                        Query(rate("mailyard_imap_sent_bytes_total"), "sent"),
                        Query(rate("mailyard_imap_appended_bytes_total"), "appended"),
                    ),
                    unit=Unit.OCTETS_PER_SECOND,
                ),
                Panel(
                    "Mailbox events",
                    "Events that wake sessions: published by delivery and imap, received by imap. A lost event is a delay.",
                    (
                        Query(rate("mailyard_broker_events_published_total"), "published"),
                        Query(rate("mailyard_broker_events_received_total"), "received"),
                        Query(rate("mailyard_broker_events_dropped_total"), "dropped"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "Commands",
            (
                Panel(
                    "Commands",
                    "Completed commands per second, by command.",
                    (Query(rate("mailyard_imap_commands_total", "command"), "{{command}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Results",
                    "Completed commands, by result. BAD: an error of the client. NO: a refusal or a failure.",
                    (Query(rate("mailyard_imap_commands_total", "result"), "{{result}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                Panel(
                    "Duration, p95",
                    "Duration by command, without IDLE, whose duration the client decides.",
                    (
                        Query(
                            quantile(0.95, "mailyard_imap_command_seconds", "command", 'command!="IDLE"'),
                            "{{command}}",
                        ),
                    ),
                    unit=Unit.SECONDS,
                    width=12,
                    steps=warn_from(limits.IMAP_SECONDS),
                ),
                Panel(
                    "Duration of all commands",
                    "All commands except IDLE together.",
                    (
                        Query(
                            quantile(0.5, "mailyard_imap_command_seconds", matchers='command!="IDLE"'),
                            "p50",
                        ),
                        Query(
                            quantile(0.95, "mailyard_imap_command_seconds", matchers='command!="IDLE"'),
                            "p95",
                        ),
                        Query(
                            quantile(0.99, "mailyard_imap_command_seconds", matchers='command!="IDLE"'),
                            "p99",
                        ),
                    ),
                    unit=Unit.SECONDS,
                    width=12,
                    steps=warn_from(limits.IMAP_SECONDS),
                ),
            ),
        ),
    ),
)
