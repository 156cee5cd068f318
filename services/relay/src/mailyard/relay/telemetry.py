"""Metrics and events of the relay."""

from typing import Final

from mailyard.runtime.catalogue import Event, Metric

METRICS: Final = (
    Metric(
        "mailyard_relay_recipients_total",
        "counter",
        "Recipients tried, by what a try made of them.",
        ("provider", "fate"),
    ),
    Metric(
        "mailyard_relay_refusals_total",
        "counter",
        "Recipients that a try did not relay, by the subject of the status code (RFC 3463).",
        ("provider", "fate", "reason"),
    ),
    Metric(
        "mailyard_relay_sessions_total",
        "counter",
        "Connections that became ready, by TLS version.",
        ("provider", "tls"),
    ),
    Metric(
        "mailyard_relay_session_failures_total",
        "counter",
        "Connections that did not become ready, by the step at which they failed.",
        ("provider", "step"),
    ),
    Metric(
        "mailyard_relay_attempt_seconds",
        "histogram",
        "Duration of one try at a leg, DNS and waiting for a connection included.",
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
        "1 while connections are short, so that slow hosts get less time for their replies.",
    ),
    Metric("mailyard_relay_legs_open", "gauge", "Legs that are claimed and not reported."),
    Metric("mailyard_relay_void_tickets_total", "counter", "Tickets whose leg was not to be claimed."),
    Metric(
        "mailyard_relay_report_retries_total",
        "counter",
        "Reports that were written late because the store was away.",
    ),
)

EVENTS: Final = (
    Event("message.relayed", "A remote host has taken the message."),
    Event("relay.addresses_refused", "A domain has only addresses that must not be dialled; the mail fails."),
    Event("relay.attempt_cut_short", "A try ended early; who had not been answered is tried again."),
    Event("relay.body_missing", "A message's body is not in the store; its recipients wait."),
    Event("relay.credentials_unused", "A line of credentials names no next hop; it is never used."),
    Event(
        "relay.credentials_unverified",
        "A next hop gets credentials over TLS with any certificate, because security=encrypt is written at the hop.",
    ),
    Event("relay.claim_lost", "A claim could not be renewed in time; another process may send the leg."),
    Event("relay.claims_not_renewed", "The store did not take the renewal of claims; it is tried again."),
    Event("relay.fault", "A leg met a fault of the program; it waits."),
    Event("relay.report_delayed", "What became of a leg could not be written; it is tried again."),
)
