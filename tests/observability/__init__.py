"""Dashboards and rules against promtool, and against a Prometheus that scrapes a running instance."""
