"""Metrics and events of the filter."""

from typing import Final

from mailyard.runtime.catalogue import Event, Metric

METRICS: Final = (
    Metric(
        "mailyard_filter_messages_total",
        "counter",
        "Messages filtered, by direction and what the verdict does with them.",
        ("direction", "action"),
    ),
    Metric("mailyard_filter_findings_total", "counter", "Findings, by check and rule.", ("check", "rule")),
    Metric(
        "mailyard_filter_defects_total",
        "counter",
        "Messages that were looked into and have a defect, by defect.",
        ("defect",),
    ),
    Metric("mailyard_filter_read_bytes_total", "counter", "Octets of bodies read for checks."),
    Metric("mailyard_filter_rules_active", "gauge", "Content rules in force."),
    Metric(
        "mailyard_filter_rules_refused_total", "counter", "Changed files of rules that could not be used."
    ),
)

EVENTS: Final = (
    Event("message.filtered", "All checks have been made; the detail is the verdict."),
    Event("message.discarded", "A rule dropped the message."),
    Event("filter.rules_loaded", "The content rules were read and are in force."),
    Event("filter.rules_missing", "The file of rules is not there; the rules in force stay."),
    Event("filter.incomplete", "A message could not be looked at as a whole; `defects` says what was cut."),
    Event("filter.rules_refused", "The file of rules changed and cannot be used; the old rules stay."),
)
