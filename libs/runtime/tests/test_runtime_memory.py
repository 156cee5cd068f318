"""Large blocks of memory go back to the system."""

import gc
import subprocess
import sys

import pytest

from mailyard.runtime.memory import return_large_blocks, spare_lasting_objects

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
