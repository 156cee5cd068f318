"""Large blocks of memory go back to the system."""

import subprocess
import sys

import pytest

from mailyard.runtime.memory import return_large_blocks

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
