"""The limits of guessing."""

from dataclasses import dataclass, field

from mailyard.directory.attempts import AttemptLimits


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """Limits of guessing, and for how long a right password is remembered.

    `login` counts for networks that have failed at the account themselves, `everywhere` for all that do not know it.
    """

    login: AttemptLimits = field(default_factory=lambda: _limits(50))
    everywhere: AttemptLimits | None = field(default_factory=lambda: _limits(500))
    login_from_address: AttemptLimits = field(default_factory=lambda: _limits(8))
    address: AttemptLimits = field(default_factory=lambda: _limits(40))
    network: AttemptLimits = field(default_factory=lambda: _limits(400))
    remember_seconds: float = 30.0


def _limits(free: int) -> AttemptLimits:
    return AttemptLimits(free, block_seconds=900.0)
