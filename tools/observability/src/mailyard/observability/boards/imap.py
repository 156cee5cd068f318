"""imap: clients, what they do and how long it takes."""

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
                    "By listener; imap scales on them.",
                    (Query(total("mailyard_imap_open_connections", "listener"), "{{listener}}"),),
                    stacked=True,
                ),
                Panel(
                    "New and refused connections",
                    "Accepted by listener, and turned away by the limit that was reached.",
                    (
                        Query(rate("mailyard_imap_connections_total", "listener"), "{{listener}}"),
                        Query(rate("mailyard_imap_refused_connections_total", "limit"), "refused: {{limit}}"),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Sessions in IDLE",
                    "Sessions that wait for news.",
                    (Query(total("mailyard_imap_idling_sessions"), "idling"),),
                ),
                Panel(
                    "Logins",
                    "By outcome.",
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
                    "From and to clients, and of appended messages.",
                    (
                        Query(rate("mailyard_imap_received_bytes_total"), "received"),
                        Query(rate("mailyard_imap_sent_bytes_total"), "sent"),
                        Query(rate("mailyard_imap_appended_bytes_total"), "appended"),
                    ),
                    unit=Unit.OCTETS_PER_SECOND,
                ),
                Panel(
                    "Mailbox events",
                    "Events that wake sessions: sent by delivery and imap, received by imap. Lost ones are a delay.",
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
                    "Answered each second, by command.",
                    (Query(rate("mailyard_imap_commands_total", "command"), "{{command}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Results",
                    "By result; BAD is a mistake of the client, NO a refusal or a fault.",
                    (Query(rate("mailyard_imap_commands_total", "result"), "{{result}}"),),
                    unit=Unit.PER_SECOND,
                    width=12,
                ),
                Panel(
                    "Duration, 95 % within",
                    "By command, without IDLE, which lasts as long as the client likes.",
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
                    "Duration of all, by share",
                    "All commands but IDLE together.",
                    (
                        Query(
                            quantile(0.5, "mailyard_imap_command_seconds", matchers='command!="IDLE"'),
                            "half within",
                        ),
                        Query(
                            quantile(0.95, "mailyard_imap_command_seconds", matchers='command!="IDLE"'),
                            "95 % within",
                        ),
                        Query(
                            quantile(0.99, "mailyard_imap_command_seconds", matchers='command!="IDLE"'),
                            "99 % within",
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
