"""The mailyard command."""

from mailyard.cli.telemetry import EVENTS
from mailyard.runtime.catalogue import declare

declare(__name__, events=EVENTS)
