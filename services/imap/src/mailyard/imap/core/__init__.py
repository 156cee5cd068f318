"""The IMAP4rev1 core (RFC 3501): octets in, commands out; responses in, octets out. No I/O and no clock."""
