"""Metrics and events of the IMAP server."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, EventType, Metric

METRICS: Final = (
    Metric("mailyard_imap_open_connections", "gauge", "Open connections.", ("listener",)),
    Metric("mailyard_imap_connections_total", "counter", "Connections accepted.", ("listener",)),
    Metric(
        "mailyard_imap_refused_connections_total",
        "counter",
        "Connections refused, or closed before a login, by limit.",
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
    EventType("imap.listening", "A listener accepts connections."),
    EventType(
        "imap.accept_failed", "A connection could not be accepted, mostly because of too many open files."
    ),
    EventType("imap.client_identified", "A client identified itself (ID, RFC 2971)."),
    EventType(
        "imap.watch_failed",
        "The comparison of the watched mailboxes with the store failed; it is tried again.",
    ),
    EventType(
        "imap.unavailable", "The store was unreachable during a command; the client got NO [UNAVAILABLE]."
    ),
    EventType("imap.command_failed", "A fault of the program in a command; the client got NO [SERVERBUG]."),
    EventType(
        "imap.body_missing", "A row names a body that is not in the store; the message cannot be read."
    ),
    EventType(
        "imap.response_broken",
        "A connection was closed, because octets of an announced literal could not be sent.",
    ),
    EventType(
        "imap.keywords_left_out",
        "A mailbox has as many keywords as it may have; others are not shown, or were not set.",
    ),
    EventType("imap.session_failed", "A fault of the program ended a session."),
    EventType("imap.connection_ended", "A client closed its connection, or its TLS handshake failed."),
)
