"""The server side of SASL (RFC 4422) without I/O, for SMTP, IMAP and every protocol that authenticates clients."""
