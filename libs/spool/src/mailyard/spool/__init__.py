"""Spool rows, their states, release, ledger and timeline."""

from mailyard.runtime.catalogue import declare
from mailyard.spool.telemetry import EVENTS, METRICS

declare(__name__, metrics=METRICS, events=EVENTS)
