"""Sans-I/O SMTP: the server core, the client core, and the grammar that both speak.

Bytes go in, events and bytes come out; nothing here opens a socket, reads a clock or resolves a name.
"""
