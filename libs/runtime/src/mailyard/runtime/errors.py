"""The two errors that every room understands: try again later, and a person must act."""


class Unavailable(Exception):
    """A server that we need is away or overloaded; the same call may succeed later."""


class Misconfigured(Exception):
    """The process cannot start as it is configured; the text says what to change."""
