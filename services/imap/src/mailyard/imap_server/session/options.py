"""Limits and times of a session."""

from dataclasses import dataclass, field

from mailyard.imap.limits import BEFORE_LOGIN, ImapLimits


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The settings of every session; times in seconds."""

    before_login: ImapLimits = BEFORE_LOGIN
    limits: ImapLimits = field(default_factory=ImapLimits)
    plaintext_on_loopback: bool = False
    login_seconds: float = 60.0  # from the greeting to a successful login
    idle_seconds: float = 2100.0  # without a command; at least 30 minutes (RFC 3501, section 5.4)
    stall_seconds: float = 300.0  # for a literal's next octets, or for the client to read what was sent
    still_here_seconds: float = 120.0  # between two signs of life during IDLE
    login_attempts: int = 5
    bad_commands: int = 20  # in a row
    commands_before_login: int = 50
    connections_per_account: int = 200  # 0: no limit
