"""Metrics and events of routing, the queues and the ledger."""

from typing import Final

from mailyard.runtime.catalogue import EventType, Metric

METRICS: Final = (
    Metric(
        "mailyard_router_routed_total", "counter", "Tickets routed, by the queue they went to.", ("queue",)
    ),
    Metric("mailyard_router_reissued_total", "counter", "Tickets that were lost and published again."),
    Metric("mailyard_router_bounces_total", "counter", "Bounces created."),
    Metric(
        "mailyard_router_reports_total",
        "counter",
        "Recipients in reports to senders (RFC 3464), by action.",
        ("action",),
    ),
    Metric(
        "mailyard_router_report_failures_total",
        "counter",
        "Reports to senders that could not be created, by what follows: retried or given_up.",
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
        "Rows, messages and bodies deleted because nothing refers to them any more.",
        ("kind",),
    ),
    Metric(
        "mailyard_router_hold_notices_total",
        "counter",
        "Notices that mail is held, by outcome: told, retried or given_up.",
        ("outcome",),
    ),
    Metric("mailyard_queue_depth_mails", "gauge", "Mails that wait in a queue.", ("queue",)),
    Metric(
        "mailyard_queue_oldest_seconds",
        "gauge",
        "Age of the oldest mail of a queue.",
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
    Metric("mailyard_canary_seconds", "gauge", "Duration of the canary's last mail.", ("leg",)),
    Metric(
        "mailyard_canary_run_timestamp_seconds", "gauge", "When the canary last ran to its end, as Unix time."
    ),
    Metric(
        "mailyard_mail_unaccounted",
        "gauge",
        "Difference between accepted and ended recipients of the ledger; must be 0.",
    ),
    Metric(
        "mailyard_ledger_audits_total",
        "counter",
        "Comparisons of accepted and ended recipients of the ledger.",
    ),
    Metric(
        "mailyard_ledger_recipients",
        "gauge",
        "Recipients of the ledger's open minutes, by result.",
        ("became",),
    ),
)

EVENTS: Final = (
    EventType("ledger.entries_recovered", "Batches that smtp-in stored without a ledger entry have got one."),
    EventType(
        "ledger.unaccounted", "Accepted and ended recipients differ: rows are missing, or have no entry."
    ),
    EventType("tenants.not_counted", "The waiting mails of tenants could not be counted in time."),
    EventType("message.routed", "The router has decided where the message goes."),
    EventType("message.split", "The message has several routes; each is a leg with a row of its own."),
    EventType("message.released", "A deferred message has a new ticket."),
    EventType("message.reissued", "The message's ticket was lost; it has a new one."),
    EventType("message.bounced", "The sender got a report of the failure."),
    EventType("message.reported", "The sender got the report of a success that it had asked for."),
    EventType(
        "message.double_bounced",
        "A message with an empty sender, nearly always a bounce, could not be delivered. An empty sender gets no bounce;"
        " the postmaster gets one, if one is set.",
    ),
    EventType("message.report_failed", "The report to the sender could not be created and was given up."),
    EventType("bounce.double", "A message without a sender, nearly always a bounce, failed."),
    EventType(
        "bounce.failed",
        "A report to a sender could not be created; `given_up` says whether it is tried again.",
    ),
    EventType(
        "hold.noticed", "The contact of a tenant, and the webhook if one is set, were told that mail is held."
    ),
    EventType(
        "hold.notice_failed",
        "Nobody could be told that mail is held; `given_up` says whether it is tried again.",
    ),
    EventType(
        "router.account_purged", "The mailboxes of a removed account are deleted; its bodies are swept."
    ),
)
