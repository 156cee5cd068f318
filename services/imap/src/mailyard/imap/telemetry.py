"""Metrics and events of the IMAP server."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, Event, Metric

METRICS: Final = (
    Metric("mailyard_imap_open_connections", "gauge", "Open connections.", ("listener",)),
    Metric("mailyard_imap_connections_total", "counter", "Connections accepted.", ("listener",)),
    Metric(
        "mailyard_imap_refused_connections_total",
        "counter",
        "Connections turned away, or ended without a login.",
        ("limit",),
    ),
    Metric("mailyard_imap_idling_sessions", "gauge", "Sessions in IDLE."),
    Metric("mailyard_imap_commands_total", "counter", "Commands answered, by result.", ("command", "result")),
    Metric("mailyard_imap_command_seconds", "histogram", "Duration of a command.", ("command",), SECONDS),
    Metric("mailyard_imap_received_bytes_total", "counter", "Octets received from clients."),
    Metric("mailyard_imap_sent_bytes_total", "counter", "Octets sent to clients."),
    Metric("mailyard_imap_appended_bytes_total", "counter", "Octets of appended messages."),
)

EVENTS: Final = (
    Event("imap.listening", "A listener accepts connections."),
    Event("imap.accept_failed", "A connection could not be accepted: too many open files, mostly."),
    Event("imap.client_identified", "A client said what it is (ID, RFC 2971)."),
    Event("imap.watch_failed", "Comparing the watched mailboxes with the store failed; it is tried again."),
    Event("imap.unavailable", "The mail store was away during a command; the client was told to try again."),
    Event("imap.command_failed", "A fault of the program in a command; the client got NO [SERVERBUG]."),
    Event("imap.body_missing", "A row names a body that is not in the store; the message cannot be read."),
    Event(
        "imap.response_broken", "A connection was cut because octets that were announced could not be sent."
    ),
    Event(
        "imap.keywords_left_out",
        "A mailbox has as many keywords as it may have; others are not shown, or were not set.",
    ),
    Event("imap.session_failed", "A fault of the program ended a session."),
    Event("imap.connection_ended", "A client went away, or its TLS handshake failed."),
)
