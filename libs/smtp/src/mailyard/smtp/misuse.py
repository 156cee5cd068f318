"""The error of a caller that asks a client or server core for something out of order."""


class MisuseError(Exception):
    """The state does not allow what was asked for: a defect of the calling program, not of the peer."""
