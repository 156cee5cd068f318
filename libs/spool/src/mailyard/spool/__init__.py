"""Spool rows, their states, release, ledger and timeline."""
