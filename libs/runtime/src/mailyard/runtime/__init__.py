"""Settings, logs, metrics, health and shutdown of every service.

`settings` reads the environment, `logs` writes JSON lines, `catalogue` lists every metric and event, `metrics`
hands them out, `service` runs a process from start to stop and `health` shows it; `errors`, `clock` and `trace`
are the few values that all rooms share.
"""
