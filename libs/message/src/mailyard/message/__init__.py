"""Addresses, header fields, MIME structure, ENVELOPE and BODYSTRUCTURE: pure, no I/O."""
