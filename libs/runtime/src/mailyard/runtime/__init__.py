"""Settings, logs, metrics, health and shutdown of every service.

`settings` reads the environment, `logs` writes JSON lines, `catalogue` registers the metrics and events that each
package declares, `metrics` hands them out, `service` runs a process from start to stop, and `health` serves its state;
`errors`, `clock` and `trace` are the few values that all packages share.
"""

from mailyard.runtime.catalogue import declare
from mailyard.runtime.telemetry import EVENTS, METRICS

declare(__name__, metrics=METRICS, events=EVENTS)
