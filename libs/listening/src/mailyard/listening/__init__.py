"""The listening side of every service: from the socket to an admitted connection with a client's address and TLS."""
