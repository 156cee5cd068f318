"""smtp-in: what comes to the door, what is taken and what is refused."""

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
            "Taken",
            (
                Panel(
                    "Messages",
                    "Messages answered with 250, by listener.",
                    (Query(rate("mailyard_smtp_in_accepted_messages_total", "listener"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Recipients of a message",
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
                    "Time to 250, 95 % within",
                    "From the end of a message to its 250: written, journaled by a majority, announced.",
                    (Query(quantile(0.95, "mailyard_smtp_in_accept_seconds", "listener"), _BY),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.ACCEPT_SECONDS),
                ),
                Panel(
                    "Messages of a batch",
                    "Mean number of messages that one write to the store takes: it grows with the load.",
                    (Query(mean("mailyard_spool_batch_messages"), "messages"),),
                ),
                Panel(
                    "Accepted without the broker",
                    "Messages accepted while RabbitMQ was away; the router publishes them later.",
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
                    "Connections each second, refused ones too.",
                    (Query(rate("mailyard_smtp_in_connections_total", "listener"), _BY),),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "TLS handshakes",
                    "By what became of them.",
                    (
                        Query(
                            rate("mailyard_smtp_in_tls_handshakes_total", "listener, outcome"),
                            "{{listener}} {{outcome}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Waited for in vain",
                    "Connections ended because the client kept silent, or did not read, for too long.",
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
                    "Connections from balancers, by what became of their PROXY header.",
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
                    "Time until the served certificate ends; the earliest of all instances.",
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
                    "Senders, recipients, logins and messages that were refused, by class.",
                    (
                        Query(
                            rate("mailyard_smtp_in_refusals_total", "listener, reason"),
                            "{{listener}} {{reason}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    "Refuses everything",
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
                    "Checking a password, 95 % within",
                    "Hashing, and waiting for a free thread; all services together.",
                    (Query(quantile(0.95, "mailyard_login_verify_seconds"), "verify"),),
                    unit=Unit.SECONDS,
                ),
                Panel(
                    "Directory",
                    "Mean number of addresses that one query of the directory resolves, and queries each second.",
                    (
                        Query(mean("mailyard_directory_lookup_addresses"), "addresses of a query"),
                        Query(rate("mailyard_directory_lookup_addresses_count"), "queries each second"),
                    ),
                ),
            ),
        ),
    ),
)
