"""Metrics and events of the relay."""

from typing import Final

from mailyard.runtime.catalogue import EventType, Metric

METRICS: Final = (
    Metric(
        "mailyard_relay_recipients_total",
        "counter",
        "Recipients of attempts, by result.",
        ("provider", "fate"),
    ),
    Metric(
        "mailyard_relay_refusals_total",
        "counter",
        "Recipients that an attempt did not relay, by the subject of the status code (RFC 3463).",
        ("provider", "fate", "reason"),
    ),
    Metric(
        "mailyard_relay_sessions_total",
        "counter",
        "SMTP sessions that became ready, by TLS version.",
        ("provider", "tls"),
    ),
    Metric(
        "mailyard_relay_session_failures_total",
        "counter",
        "SMTP sessions that did not become ready, by the step that failed.",
        ("provider", "step"),
    ),
    Metric(
        "mailyard_relay_attempt_seconds",
        "histogram",
        "Duration of an attempt, with DNS and the wait for a connection.",
        ("provider",),
        (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0),
    ),
    Metric(
        "mailyard_relay_uncertain_total",
        "counter",
        "Recipients whose connection broke between the message and the reply: they may get it twice.",
        ("provider",),
    ),
    Metric("mailyard_relay_connections_open", "gauge", "Open connections, idle ones included."),
    Metric(
        "mailyard_relay_busy_state",
        "gauge",
        "1 while few connections are free, so that slow hosts get less time for their replies.",
    ),
    Metric("mailyard_relay_legs_open", "gauge", "Legs claimed and not reported yet."),
    Metric("mailyard_relay_void_tickets_total", "counter", "Tickets whose leg could not be claimed."),
    Metric(
        "mailyard_relay_report_retries_total",
        "counter",
        "Reports that were written late because the store was unreachable.",
    ),
)

EVENTS: Final = (
    EventType("message.relayed", "A remote host has taken the message."),
    EventType(
        "relay.addresses_refused",
        "A domain has only addresses that the relay may not connect to; the mail fails.",
    ),
    EventType(
        "relay.attempt_cut_short", "An attempt ended early; recipients without a reply are tried again."
    ),
    EventType("relay.body_missing", "A message's body is not in the store; its recipients wait."),
    EventType("relay.credentials_unused", "A line of credentials names no next hop; it is never used."),
    EventType(
        "relay.credentials_unverified",
        "A next hop gets credentials over TLS with any certificate, because security=encrypt is written at the hop.",
    ),
    EventType("relay.claim_lost", "A claim could not be renewed in time; another process may send the leg."),
    EventType("relay.claims_not_renewed", "The store did not take the renewal of claims; it is tried again."),
    EventType("relay.fault", "A fault of the program ended an attempt; the leg is tried again later."),
    EventType(
        "relay.report_delayed", "The outcomes of a leg could not be written; the report is tried again."
    ),
)
