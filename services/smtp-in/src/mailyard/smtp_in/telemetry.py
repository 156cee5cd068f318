"""Metrics and events of the SMTP and LMTP server."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, EventType, Metric

METRICS: Final = (
    Metric("mailyard_smtp_in_open_connections", "gauge", "Connections that are open.", ("listener",)),
    Metric("mailyard_smtp_in_connections_total", "counter", "Connections, refused ones too.", ("listener",)),
    Metric(
        "mailyard_smtp_in_accepted_messages_total", "counter", "Messages answered with 250.", ("listener",)
    ),
    Metric(
        "mailyard_smtp_in_accepted_recipients_total",
        "counter",
        "Recipients of accepted messages.",
        ("listener",),
    ),
    Metric("mailyard_smtp_in_accepted_bytes_total", "counter", "Octets of accepted messages.", ("listener",)),
    Metric(
        "mailyard_smtp_in_accept_seconds",
        "histogram",
        "From the end of a message to its 250.",
        ("listener",),
        SECONDS,
    ),
    Metric("mailyard_smtp_in_refusals_total", "counter", "Refusals, by class.", ("listener", "reason")),
    Metric(
        "mailyard_smtp_in_timeouts_total", "counter", "Time-outs of clients, by phase.", ("listener", "phase")
    ),
    Metric("mailyard_smtp_in_tls_handshakes_total", "counter", "TLS handshakes.", ("listener", "outcome")),
    Metric("mailyard_smtp_in_refusing_state", "gauge", "1 while all new messages get a 4xx."),
    Metric(
        "mailyard_smtp_in_hygiene_total",
        "counter",
        "Concerns of checks before the queue, by check and outcome: refused, noted; of the tarpit: delayed, skipped.",
        ("listener", "check", "outcome"),
    ),
    Metric(
        "mailyard_smtp_in_dns_list_answers_total",
        "counter",
        "Answers of DNS blocklists and allowlists: listed, not-listed, error (the list refuses our questions), unanswered.",
        ("list", "outcome"),
    ),
    Metric(
        "mailyard_smtp_in_greylist_attempts_total",
        "counter",
        "Recipients that greylisting has judged: known, passed, deferred; too-many (of one network), busy (passed because"
        " too many waited), unavailable (passed because the store did not answer).",
        ("outcome",),
    ),
    Metric(
        "mailyard_smtp_in_inline_messages_total",
        "counter",
        "Messages that the filter checks before they are accepted, by outcome: accepted, rejected, or why the filter"
        " was not asked or did not answer.",
        ("outcome",),
    ),
)

EVENTS: Final = (
    EventType(
        "message.author_rewritten",
        "From, Sender or a Resent field of a submitted message named somebody else; `became` took its place.",
    ),
    EventType("smtp_in.refused", "A sender, recipient, login or message was refused; `reply` is the reply."),
    EventType(
        "message.finding",
        "A check in the SMTP dialogue had a concern about the client or the sender, and the message was accepted.",
    ),
    EventType("smtp_in.hygiene_noted", "A check had a concern, and its mode is `note`: nothing was refused."),
    EventType(
        "smtp_in.dns_list_error",
        "A DNS list refuses our questions or answers nonsense; it counts as no answer. Once a minute for each list.",
    ),
    EventType("smtp_in.greylist_unavailable", "The store did not answer; a recipient was not greylisted."),
    EventType(
        "smtp_in.recipient_probing", "A client or network named many unknown recipients and has to pause."
    ),
    EventType("smtp_in.nul_replaced", "A message held NUL octets, which were replaced by question marks."),
    EventType(
        "smtp_in.unavailable", "A server that a reply needs is unreachable; the client got a 4xx reply."
    ),
    EventType("smtp_in.not_stored", "A message could not be stored; the client got a 4xx reply."),
    EventType(
        "smtp_in.body_not_stored", "A part of a long message could not be stored; its end gets a 4xx reply."
    ),
    EventType("smtp_in.fault", "A fault of the program ended a command; the client got a 4xx reply."),
    EventType("smtp_in.handshake_failed", "A client did not complete its TLS handshake."),
    EventType(
        "smtp_in.accept_failed",
        "A connection could not be accepted, for instance because of too many open files.",
    ),
    EventType("smtp_in.listening", "A listener takes connections."),
    EventType(
        "smtp_in.inline_failed", "The filter did not check a message before it was accepted; the queue does."
    ),
    EventType("smtp_in.pressure", "New messages begin, or cease, to get a 4xx reply; `reply` says why."),
    EventType("smtp_in.pressure_unknown", "The state of store and broker could not be measured."),
    EventType(
        "smtp_in.few_files", "The limit of open files is too low for the connections that are allowed."
    ),
)
