"""Limits of sending: counters of what accounts, domains and tenants send, shared by all processes, and what exceeds a limit."""
