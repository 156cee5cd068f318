"""smtp-in: connections, accepted mail and refusals."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import mean, quantile, rate, total
from mailyard.observability.dashboard import Board, Colour, Panel, Query, Row, Step, Unit, bad_from, warn_from

_BY = "{{listener}}"
_DAY = 86_400

BOARD = Board(
    uid="mailyard-edge",
    title="Edge",
    description="smtp-in: connections, acceptance and its time, refusals with reasons, TLS, logins, PROXY headers.",
    rows=(
        Row(
            "Accepted",
            (
                Panel(
                    "Messages",
                    "Messages answered with 250, by listener.",
                    (Query(rate("mailyard_smtp_in_accepted_messages_total", "listener"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Recipients per message",
                    "Mean number of recipients of an accepted message.",
                    (
                        Query(
                            rate("mailyard_smtp_in_accepted_recipients_total", "listener")
                            + " / "
                            + rate("mailyard_smtp_in_accepted_messages_total", "listener"),
                            _BY,
                        ),
                    ),
                ),
                Panel(
                    "Octets",
                    "Octets of accepted messages.",
                    (Query(rate("mailyard_smtp_in_accepted_bytes_total", "listener"), _BY),),
                    unit=Unit.OCTETS_PER_SECOND,
                ),
                Panel(
                    "Time to 250, p95",
                    "Time from the end of a message to its 250: journaled by a majority and published.",
                    (Query(quantile(0.95, "mailyard_smtp_in_accept_seconds", "listener"), _BY),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.ACCEPT_SECONDS),
                ),
                Panel(
                    "Batch size",
                    "Mean number of messages in one write to MongoDB. It grows with the load.",
                    (Query(mean("mailyard_spool_batch_messages"), "messages"),),
                ),
                Panel(
                    "Accepted without the broker",
                    "Messages accepted while RabbitMQ was unreachable; the router publishes them later.",
                    (Query(rate("mailyard_spool_unpublished_total"), "unpublished"),),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "Connections",
            (
                Panel(
                    "Open",
                    "Open connections; smtp-in scales on them.",
                    (Query(total("mailyard_smtp_in_open_connections", "listener"), _BY),),
                    stacked=True,
                ),
                Panel(
                    "New",
                    "New connections per second, including refused ones.",
                    (Query(rate("mailyard_smtp_in_connections_total", "listener"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "TLS handshakes",
                    "TLS handshakes, by outcome.",
                    (
                        Query(
                            rate("mailyard_smtp_in_tls_handshakes_total", "listener, outcome"),
                            "{{listener}} {{outcome}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Time-outs",
                    "Connections closed because the client sent or read nothing for too long.",
                    (
                        Query(
                            rate("mailyard_smtp_in_timeouts_total", "listener, phase"),
                            "{{listener}} {{phase}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "PROXY headers",
                    "Connections from load balancers, by outcome of their PROXY header.",
                    (
                        Query(
                            rate("mailyard_proxy_headers_total", "listener, outcome"),
                            "{{listener}} {{outcome}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Certificate",
                    "Time until the served certificate expires; the earliest of all instances.",
                    (Query("min(mailyard_certificate_expiry_timestamp_seconds) - time()", "left"),),
                    unit=Unit.SECONDS,
                    signed=True,
                    below=Colour.BAD,
                    steps=(
                        Step(limits.CERTIFICATE_CRITICAL_DAYS * _DAY, Colour.WARNING),
                        Step(limits.CERTIFICATE_DAYS * _DAY, Colour.GOOD),
                    ),
                ),
            ),
        ),
        Row(
            "Refused",
            (
                Panel(
                    "Refusals",
                    "Refused senders, recipients, logins and messages, by reason.",
                    (
                        Query(
                            rate("mailyard_smtp_in_refusals_total", "listener, reason"),
                            "{{listener}} {{reason}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Refusing all mail",
                    "Instances that answer all new mail with 4xx.",
                    (Query(total("mailyard_smtp_in_refusing_state"), "refusing instances"),),
                    steps=bad_from(1),
                ),
                Panel(
                    "Logins",
                    "Logins to submission, by outcome.",
                    (
                        Query(
                            rate('mailyard_login_attempts_total{login_service="smtp-in"}', "outcome"),
                            "{{outcome}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Password check, p95",
                    "Time to hash a password, including the wait for a thread; all services together.",
                    (Query(quantile(0.95, "mailyard_login_verify_seconds"), "verify"),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Directory",
                    "Mean number of addresses per directory query, and queries per second.",
                    (
                        Query(mean("mailyard_directory_lookup_addresses"), "addresses per query"),
                        Query(rate("mailyard_directory_lookup_addresses_count"), "queries per second"),
                    ),
                ),
            ),
        ),
    ),
)
