"""Metrics of mailboxes."""

from typing import Final

from mailyard.runtime.catalogue import Metric

METRICS: Final = (
    Metric("mailyard_mailbox_duplicates_total", "counter", "Messages that were in their mailbox already."),
    Metric(
        "mailyard_mailbox_transactions_split_total",
        "counter",
        "Transactions that conflicted with other writers too often, and were divided or given back.",
    ),
)
