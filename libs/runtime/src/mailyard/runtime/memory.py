"""Giving memory back: how large blocks are taken from the system, on machines with the GNU C library."""

import ctypes

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_LARGE = 1_048_576


def return_large_blocks() -> bool:
    """Have blocks from 1 MiB on returned to the system as soon as they are free; say whether that is possible here.

    Left to itself, the library raises that limit to the size of the first large block that is freed, and keeps what
    is smaller: one message of 25 MB in memory, and a service stays 40 MB larger for ever.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE))
