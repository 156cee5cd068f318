"""SMTP without I/O: the server core, the client core, and the grammar of both.

Bytes go in, events and bytes come out; nothing here opens a socket, reads a clock or resolves a name.
"""
