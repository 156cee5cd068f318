"""Writes dashboards, alerts and recording rules from the declared metrics."""
