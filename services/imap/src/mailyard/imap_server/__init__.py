"""Serves mailboxes by IMAP4rev1."""

from mailyard.imap_server.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
