"""Gives memory back to the system after a crowd has left.

TLS handshakes take tens of kilobytes each, in pieces of many sizes. The C library keeps what is freed, in so many
fragments that the next crowd needs fresh memory: after some crowds of 2,000 half-open handshakes the process held
600 MB of which it used 3. `malloc_trim` of glibc returns it; it takes some tens of milliseconds then, and nothing else.
"""

import ctypes
from collections.abc import Callable


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library: nothing to be done
        return None
    return trim


_TRIM = _malloc_trim()


def give_back() -> None:
    """Return freed memory to the system, where the C library can."""
    if _TRIM is not None:
        _TRIM(0)
