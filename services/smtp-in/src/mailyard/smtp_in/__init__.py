"""Receives mail: MX, submission and LMTP."""
