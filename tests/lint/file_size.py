"""Find source files that are too long to have one concern: `python -m tests.lint.file_size`."""

import sys
from collections.abc import Iterable
from pathlib import Path

MOST_LINES = 600
ROOTS = ("bench", "libs", "proto", "services", "tests", "tools")
GENERATED = ("_pb2.py", "_pb2.pyi")


def too_long(files: Iterable[Path], most_lines: int = MOST_LINES) -> list[str]:
    """Return a line for each file that is too long."""
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    return [
        f"{path}: {lines} lines; at most {most_lines} are permitted; divide the file by concern"
        for path, lines in lengths.items()
        if lines > most_lines
    ]


def sources() -> list[Path]:
    """Return all Python files of the repository that people write, and the values of charts."""
    files = sorted(path for root in ROOTS for path in Path(root).rglob("*.py"))
    values = sorted(Path("charts").rglob("values*.yaml"))
    return [*(path for path in files if not path.name.endswith(GENERATED)), *values]


if __name__ == "__main__":
    sys.exit("\n".join(too_long(sources())) or 0)
