"""The interface of a mail system under measurement."""

from collections.abc import Mapping
from typing import Protocol


class System(Protocol):
    """A mail system on loopback with a fixed set of mailboxes."""

    name: str

    def start(self) -> None:
        """Start with empty mailboxes and return when mail can be sent; raises SystemFailed."""

    def stop(self) -> None:
        """End every process; safe to call when nothing runs."""

    def smtp(self) -> tuple[str, int]:
        """Host and port that take mail for the mailboxes without authentication."""

    def recipients(self) -> tuple[str, ...]:
        """Addresses of the mailboxes."""

    def before_run(self) -> None:
        """Called before each measured run, outside of the measured time."""

    def delivered(self) -> int:
        """Mails in all mailboxes now; cheap enough to be polled during a run."""

    def visible(self) -> int:
        """Count the mails that a client can read; may be expensive, and is called after a run to confirm `delivered`."""

    def process_roots(self) -> Mapping[int, str]:
        """Process ids whose whole trees belong to the system, each with the name for the table."""


class SystemFailed(Exception):
    """A system did not start or failed; the text names the file to look at."""
