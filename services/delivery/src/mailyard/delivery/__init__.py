"""Inserts mail in mailboxes, exactly once."""

from mailyard.delivery.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
