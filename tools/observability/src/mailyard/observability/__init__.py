"""Writes dashboards, alerts and recording rules from the catalogue of metrics."""
