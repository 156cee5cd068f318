"""The two errors that every package understands: try again later, and a person must act."""


class Unavailable(Exception):
    """A server is unreachable or overloaded; the same call may succeed later."""


class Misconfigured(Exception):
    """The process cannot start as it is configured; the text says what to change."""
