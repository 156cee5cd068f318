"""Checks mail in the Local and Remote queues."""

from mailyard.filter.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
