"""The grammar of IMAP commands (RFC 3501, section 9): one module for each group of productions, parsing and encoding."""
