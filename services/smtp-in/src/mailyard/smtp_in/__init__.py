"""Receives mail: MX, submission and LMTP."""

from mailyard.runtime.catalogue import declare
from mailyard.smtp_in.telemetry import EVENTS, METRICS

declare(__name__, metrics=METRICS, events=EVENTS)
