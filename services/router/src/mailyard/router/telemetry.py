"""Metrics and events of routing, the queues and the ledger."""

from typing import Final

from mailyard.runtime.catalogue import Event, Metric

METRICS: Final = (
    Metric(
        "mailyard_router_routed_total", "counter", "Tickets routed, by the queue they went to.", ("queue",)
    ),
    Metric("mailyard_router_reissued_total", "counter", "Tickets that were lost and published again."),
    Metric("mailyard_router_bounces_total", "counter", "Bounces made."),
    Metric(
        "mailyard_router_reports_total",
        "counter",
        "Recipients that a sender got a report of (RFC 3464), by action.",
        ("action",),
    ),
    Metric(
        "mailyard_router_report_failures_total",
        "counter",
        "Reports to senders that could not be made, by what followed: retried, or given_up.",
        ("next",),
    ),
    Metric(
        "mailyard_router_double_bounces_total",
        "counter",
        "Messages without a sender that failed, nearly always bounces.",
    ),
    Metric(
        "mailyard_router_swept_total",
        "counter",
        "Rows, messages and bodies deleted because nobody needs them.",
        ("kind",),
    ),
    Metric("mailyard_queue_depth_mails", "gauge", "Mails that wait in a queue.", ("queue",)),
    Metric(
        "mailyard_queue_oldest_seconds",
        "gauge",
        "How long the oldest mail of a queue has waited.",
        ("queue",),
    ),
    Metric("mailyard_queue_broker_messages", "gauge", "AMQP messages ready in a queue.", ("queue",)),
    Metric("mailyard_queue_consumers", "gauge", "Consumers of a queue.", ("queue",)),
    Metric(
        "mailyard_spool_open_mails",
        "gauge",
        "Mails, or legs of mails, that have not ended: active ones have a ticket, deferred ones wait for a time.",
        ("state",),
    ),
    Metric(
        "mailyard_spool_overdue_seconds",
        "gauge",
        "For how long the oldest deferred mail has been due without being released.",
    ),
    Metric(
        "mailyard_tenant_waiting_mails",
        "gauge",
        "Mails that have not ended, of the tenants with most of them and of all others together.",
        ("tenant",),
    ),
    Metric("mailyard_canary_success_state", "gauge", "1 when the canary's last mail arrived.", ("leg",)),
    Metric("mailyard_canary_seconds", "gauge", "How long the canary's last mail took.", ("leg",)),
    Metric(
        "mailyard_canary_run_timestamp_seconds", "gauge", "When the canary last ran to its end, as Unix time."
    ),
    Metric(
        "mailyard_mail_unaccounted",
        "gauge",
        "Recipients by which the two books of the ledger differ; must be 0.",
    ),
    Metric("mailyard_ledger_audits_total", "counter", "Comparisons of the two books of the ledger."),
    Metric(
        "mailyard_ledger_recipients",
        "gauge",
        "Recipients of the ledger's open minutes, by what became of them.",
        ("became",),
    ),
)

EVENTS: Final = (
    Event("ledger.entries_recovered", "Batches that an edge stored and did not note were noted."),
    Event("ledger.unaccounted", "The two books differ: rows are missing, or came from nowhere."),
    Event("tenants.not_counted", "The waiting mails of tenants could not be counted in time."),
    Event("message.routed", "The router has decided where the message goes."),
    Event("message.split", "The message goes several ways; each is a leg with a row of its own."),
    Event("message.released", "A waiting message goes on."),
    Event("message.reissued", "The message's ticket was lost; it has a new one."),
    Event("message.bounced", "The sender was told of the failure."),
    Event("message.reported", "The sender was told of a success that it had asked for."),
    Event(
        "message.double_bounced",
        "A message without a sender, nearly always a report, was not delivered, and nobody is there to report that to."
        " The postmaster gets a report, if one is set.",
    ),
    Event("message.report_failed", "The report to the sender could not be made and was given up."),
    Event("bounce.double", "A message without a sender, nearly always a bounce, failed."),
    Event(
        "bounce.failed", "A report to a sender could not be made; `given_up` says whether it is tried again."
    ),
    Event("router.account_purged", "The mailboxes of a removed account are deleted; its bodies are swept."),
)
