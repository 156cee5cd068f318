"""The server side of a connection: octets to events, and responses to octets (RFC 3501, sections 2.2 and 7)."""
