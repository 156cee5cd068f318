"""Find source files that are too long to have one concern: `python -m tests.lint.file_size`."""

import sys
from collections.abc import Iterable
from pathlib import Path

MOST_LINES = 600
MOST_LINES_OF_VALUES = 900  # Helm reads the defaults of a chart from one file
ROOTS = ("bench", "libs", "proto", "services", "tests", "tools")
GENERATED = ("_pb2.py", "_pb2.pyi")


def too_long(files: Iterable[Path]) -> list[str]:
    """Return a line for each file that is too long."""
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    return [
        f"{path}: {lines} lines; at most {_most(path)} are permitted; divide the file by concern"
        for path, lines in lengths.items()
        if lines > _most(path)
    ]


def _most(path: Path) -> int:
    return MOST_LINES_OF_VALUES if path.suffix == ".yaml" else MOST_LINES


def sources() -> list[Path]:
    """Return all Python files of the repository that people write, and the values of charts."""
    files = sorted(path for root in ROOTS for path in Path(root).rglob("*.py"))
    values = sorted(Path("charts").rglob("values*.yaml"))
    return [*(path for path in files if not path.name.endswith(GENERATED)), *values]


if __name__ == "__main__":
    sys.exit("\n".join(too_long(sources())) or 0)
