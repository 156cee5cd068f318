"""The IMAP4rev1 protocol (RFC 3501) without I/O and without a clock: octets to commands, responses to octets."""
