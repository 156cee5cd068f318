"""Memory that is free goes back to the system."""

import gc
import subprocess
import sys

import pytest

from mailyard.runtime.memory import (
    _function,
    return_freed_memory,
    return_large_blocks,
    spare_lasting_objects,
)

_TRIAL = """
from mailyard.runtime.memory import return_large_blocks
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
{setting}
before = resident()
for _ in range(3):
    large = bytes(b"x") * 20_000_000
    small = [b"x" * 4_000_000 for _ in range(5)]
    keep = b"y" * 200_000
    del large, small
print(resident() - before)
"""


def _grown(setting: str) -> int:
    trial = _TRIAL.format(setting=setting)
    return int(
        subprocess.run([sys.executable, "-c", trial], capture_output=True, check=True, timeout=30).stdout
    )


@pytest.mark.skipif(not return_large_blocks(), reason="this is not the GNU C library")
def test_memory_of_large_blocks_is_given_back():
    assert _grown("return_large_blocks()") < 2_000_000


def test_what_exists_at_the_start_is_not_collected_again() -> None:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        spare_lasting_objects()
        assert gc.get_freeze_count() > frozen + 10_000
        assert gc.get_threshold()[0] > 700
        assert not gc.get_objects(generation=2)
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


_FREED = """
import ctypes
from mailyard.runtime.memory import return_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(20_000) for _ in range(2_000)]
for block in blocks:
    ctypes.memset(ctypes.c_void_p(block), 1, 20_000)
last = libc.malloc(64)  # keeps the heap from shrinking by itself
full = resident()
for block in blocks:
    libc.free(block)
kept = resident()
return_freed_memory()
print(full - kept, full - resident())
"""


@pytest.mark.skipif(not return_large_blocks(), reason="this is not the GNU C library")
def test_freed_memory_that_the_c_library_keeps_is_returned_on_request() -> None:
    before, after = map(
        int,
        subprocess.run(
            [sys.executable, "-c", _FREED],
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout.split(),
    )
    assert before < 5_000_000
    assert after > 30_000_000


def test_another_c_library_has_neither_function_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailyard.runtime.memory._MALLOPT", None)
    monkeypatch.setattr("mailyard.runtime.memory._MALLOC_TRIM", None)
    assert not return_large_blocks()
    return_freed_memory()
    assert _function("no_c_library_has_this_function") is None
