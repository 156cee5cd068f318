"""What MongoDB refused this process lately: a login (code 18), or a right (code 13).

Both are fixed by a person, and until then mail waits, as for an unreachable server. A process whose login is refused can do
nothing and is not ready. A process that lacks a right stays ready, because others of its commands may be permitted.
"""

import time
from collections.abc import Callable
from typing import Final

UNAUTHORIZED: Final = 13
AUTHENTICATION_FAILED: Final = 18
REMEMBERED_SECONDS: Final = 30.0
_LONGEST_TEXT: Final = 200


class Refusal:
    """The last refusal of one kind; it is forgotten `REMEMBERED_SECONDS` after it happened."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was refused yet; `clock` gives seconds and never goes back."""
        self._clock = clock
        self._text: str | None = None
        self._until = 0.0

    def note(self, text: str) -> str:
        """Remember a refusal from now on; return its text."""
        self._text, self._until = text, self._clock() + REMEMBERED_SECONDS
        return text

    def current(self) -> str | None:
        """Return the text of the last refusal, or None."""
        return self._text if self._clock() < self._until else None

    def forget(self) -> None:
        """Forget it: MongoDB has taken a login."""
        self._text = None


REFUSED_LOGIN: Final = Refusal()  # of this process
REFUSED_RIGHT: Final = Refusal()


def note_refusal(code: int | None, said: str) -> str | None:
    """Remember a refusal by its error code; return what a person must fix, or None for other errors.

    MongoDB repeats the refused command with its documents, so only the beginning of its words is kept.
    """
    if code == AUTHENTICATION_FAILED:
        return REFUSED_LOGIN.note(
            "MongoDB: authentication failed; check user, password and authSource in MAILYARD_MONGO_URL"
        )
    if code == UNAUTHORIZED:
        return REFUSED_RIGHT.note(
            f"MongoDB: {said.partition(', ')[0][:_LONGEST_TEXT]}; the user in MAILYARD_MONGO_URL lacks this right,"
            " see docs/operations/database-rights.md"
        )
    return None
