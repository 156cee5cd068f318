"""Mailyard and another mail server on the same machine, load and message set, in neighbouring runs."""
