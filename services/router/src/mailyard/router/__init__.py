"""The queue manager: resolves recipients, releases, bounces, reconciles."""

from mailyard.router.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
