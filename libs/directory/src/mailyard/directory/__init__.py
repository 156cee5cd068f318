"""Tenants, domains, accounts, addresses and authentication."""

from mailyard.directory.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
