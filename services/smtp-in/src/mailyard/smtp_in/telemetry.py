"""Metrics and events of the SMTP and LMTP server."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, Event, Metric

METRICS: Final = (
    Metric("mailyard_smtp_in_open_connections", "gauge", "Connections that are open.", ("listener",)),
    Metric("mailyard_smtp_in_connections_total", "counter", "Connections, refused ones too.", ("listener",)),
    Metric(
        "mailyard_smtp_in_accepted_messages_total", "counter", "Messages answered with 250.", ("listener",)
    ),
    Metric("mailyard_smtp_in_accepted_recipients_total", "counter", "Recipients of those.", ("listener",)),
    Metric("mailyard_smtp_in_accepted_bytes_total", "counter", "Octets of those.", ("listener",)),
    Metric(
        "mailyard_smtp_in_accept_seconds",
        "histogram",
        "From the end of a message to its 250.",
        ("listener",),
        SECONDS,
    ),
    Metric("mailyard_smtp_in_refusals_total", "counter", "Refusals by their class.", ("listener", "reason")),
    Metric(
        "mailyard_smtp_in_timeouts_total", "counter", "Clients waited for in vain.", ("listener", "phase")
    ),
    Metric("mailyard_smtp_in_tls_handshakes_total", "counter", "TLS handshakes.", ("listener", "outcome")),
    Metric("mailyard_smtp_in_refusing_state", "gauge", "1 while all new messages get a 4xx."),
)

EVENTS: Final = (
    Event(
        "message.author_rewritten",
        "From, Sender or a Resent field of a submitted message named somebody else; `became` took its place.",
    ),
    Event("smtp_in.refused", "A sender, recipient, login or message was refused; `reply` is what was said."),
    Event("smtp_in.nul_replaced", "A message held NUL octets, which were replaced by question marks."),
    Event("smtp_in.unavailable", "A server that an answer needed is away; the client was told to come back."),
    Event("smtp_in.not_stored", "A message could not be stored; the client was told to come back."),
    Event("smtp_in.body_not_stored", "A part of a long message could not be stored; its end will get a 4xx."),
    Event("smtp_in.fault", "An answer failed for a reason that nobody foresaw; the client got a 4xx."),
    Event("smtp_in.handshake_failed", "A client did not complete its TLS handshake."),
    Event(
        "smtp_in.accept_failed", "A connection could not be accepted, for instance for want of open files."
    ),
    Event("smtp_in.listening", "A listener takes connections."),
    Event("smtp_in.pressure", "New messages begin, or cease, to get a 4xx; `reply` says why."),
    Event("smtp_in.pressure_unknown", "The state of store and broker could not be measured."),
    Event("smtp_in.few_files", "The limit of open files is too low for the connections that are allowed."),
)
