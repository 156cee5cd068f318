"""docs/limits.md names a test for each bound, and the test exists."""

import re
from functools import cache

import pytest

from mailyard.local.paths import REPOSITORY

PAGE = REPOSITORY / "docs/limits.md"
ROWS = [
    line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| bound")
]
NAMED = re.compile(r"(test_\w+\.py)(?:::(test_\w+))?")
UNTESTED = ("| connections that wait to be accepted |",)  # the kernel's bound


@cache
def sources(file: str) -> str:
    return "\n".join(
        path.read_text()
        for folder in ("libs", "services", "tools", "tests")
        for path in (REPOSITORY / folder).rglob(file)
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_a_bound_has_a_test_that_exists(row: str) -> None:
    if row.startswith(UNTESTED):
        return
    cell = row.split("|")[-2]
    named = NAMED.findall(cell)
    assert named or ".dialogue" in cell or "dialogue" in cell, "no test is named"
    for file, test in named:
        assert sources(file), f"there is no {file}"
        assert not test or f"def {test}" in sources(file), f"{file} has no {test}"
