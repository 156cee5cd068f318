"""MongoDB connections, the GridFS layout of bodies and group commit."""

from mailyard.runtime.catalogue import declare
from mailyard.store.telemetry import EVENTS, METRICS

declare(__name__, metrics=METRICS, events=EVENTS)
