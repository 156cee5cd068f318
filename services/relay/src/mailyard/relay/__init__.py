"""Sends mail to the Internet by SMTP."""

from mailyard.relay.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
