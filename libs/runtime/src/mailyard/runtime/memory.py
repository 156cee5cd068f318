"""Memory of a process: large blocks that go back to the system, and how often the garbage collector runs."""

import ctypes
import gc

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_LARGE = 1_048_576
_YOUNG_OBJECTS = 5_000  # Python begins with 700, and a batch of messages makes thousands


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


def spare_lasting_objects() -> None:
    """Take what exists now out of all later garbage collections, and collect young objects less often.

    Modules, classes and settings stay until the process ends. To look at all of them takes tens of milliseconds, in
    which the event loop stands still.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
