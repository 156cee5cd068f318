"""Memory of a process: return of freed memory to the system, and garbage collection."""

import ctypes
import gc
from collections.abc import Callable

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_LARGE = 1_048_576
_YOUNG_OBJECTS = 5_000  # Python begins with 700, and a batch of messages makes thousands


def _function(name: str) -> Callable[..., int] | None:
    """Return a function of glibc; None: the process has another C library."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except OSError:
        return None


_MALLOPT = _function("mallopt")
_MALLOC_TRIM = _function("malloc_trim")


def return_large_blocks() -> bool:
    """Have blocks from 1 MiB on returned to the system as soon as they are free; return whether that is possible.

    By default the C library raises this limit to the size of the first large block that is freed, and keeps smaller
    blocks: after one message of 25 MB a service stays 40 MB larger for ever.
    """
    return _MALLOPT is not None and bool(_MALLOPT(_M_MMAP_THRESHOLD, _LARGE))


def return_freed_memory() -> None:
    """Return freed memory to the system, where the C library can.

    TLS handshakes take tens of kilobytes each, in pieces of many sizes. glibc keeps what is freed in so many fragments
    that later handshakes need fresh memory: after several times 2,000 half-open handshakes a process held 600 MB, of
    which it used 3. One call takes some tens of milliseconds.
    """
    if _MALLOC_TRIM is not None:
        _MALLOC_TRIM(0)


def spare_lasting_objects() -> None:
    """Exclude all objects that exist now from later garbage collections, and collect young objects less often.

    Modules, classes and settings stay until the process ends. A collection that visits them takes tens of
    milliseconds, and the event loop waits meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
