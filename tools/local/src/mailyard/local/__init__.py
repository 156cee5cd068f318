"""Runs all of Mailyard on one machine, on loopback."""
