"""Metrics and events of the filter."""

from typing import Final

from mailyard.runtime.catalogue import EventType, Metric

METRICS: Final = (
    Metric(
        "mailyard_filter_messages_total",
        "counter",
        "Messages filtered, by direction and by action of the verdict.",
        ("direction", "action"),
    ),
    Metric("mailyard_filter_findings_total", "counter", "Findings, by check and rule.", ("check", "rule")),
    Metric(
        "mailyard_filter_defects_total",
        "counter",
        "Messages with a defect in what checks read, by defect.",
        ("defect",),
    ),
    Metric("mailyard_filter_read_bytes_total", "counter", "Octets of bodies read for checks."),
    Metric("mailyard_filter_rules_active", "gauge", "Content rules in use."),
    Metric("mailyard_filter_rules_refused_total", "counter", "Changed rule files that could not be used."),
    Metric(
        "mailyard_filter_check_failures_total",
        "counter",
        "Messages about which a check could not say anything, by what followed: defer or continue.",
        ("check", "next"),
    ),
    Metric(
        "mailyard_filter_inline_requests_total",
        "counter",
        "Requests of smtp-in before it accepts a message, by HTTP status of the response.",
        ("status",),
    ),
)

EVENTS: Final = (
    EventType("message.filtered", "All checks have been made; the detail is the verdict."),
    EventType("message.discarded", "A rule dropped the message."),
    EventType("filter.rules_loaded", "The content rules were read and are in use."),
    EventType("filter.rules_missing", "The rule file does not exist; the rules in use stay."),
    EventType(
        "filter.incomplete", "A message could not be read as a whole; `defects` says what was left out."
    ),
    EventType(
        "filter.check_failed", "A check could not say anything about some messages; `next` says what follows."
    ),
    EventType("filter.rules_refused", "The rule file changed and cannot be used; the old rules stay."),
)
