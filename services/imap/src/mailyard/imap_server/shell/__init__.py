"""Sockets: listeners, and the channel between a client's connection and its session."""
