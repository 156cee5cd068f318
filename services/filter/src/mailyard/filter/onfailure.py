"""What happens to a message when a check fails: a value that settings name."""

from enum import StrEnum


class OnFailure(StrEnum):
    """What happens to a message when a check cannot say anything about it."""

    DEFER = "defer"  # the message waits in the spool and is filtered anew
    CONTINUE = "continue"  # the message goes on, with a finding that says so
