"""A mail sent through Mailyard and found again, and the sink that it ends in."""

from mailyard.probe.telemetry import EVENTS
from mailyard.runtime.catalogue import declare

declare(__name__, events=EVENTS)
