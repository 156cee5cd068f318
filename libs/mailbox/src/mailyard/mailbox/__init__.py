"""Mailboxes and messages: UID order, flags, changes and events."""

from mailyard.mailbox.telemetry import METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS)
