"""Find classes of libraries and services that share a name: `python -m tests.lint.class_names`."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

GENERATED = ("_pb2.py", "_pb2.pyi")


def shared_names(files: Iterable[Path]) -> list[str]:
    """Return a line for each name that several classes have."""
    locations: dict[str, list[str]] = defaultdict(list)
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                locations[node.name].append(f"{path}:{node.lineno}")
    return [
        f"class {name} stands at {' and at '.join(found)}; give each class a name of its own"
        for name, found in sorted(locations.items())
        if len(found) > 1
    ]


def sources() -> list[Path]:
    """Return all Python files of libraries and services that people write."""
    files = [path for root in ("libs", "services") for path in sorted(Path(root).glob("*/src/**/*.py"))]
    return [path for path in files if not path.name.endswith(GENERATED)]


if __name__ == "__main__":
    sys.exit("\n".join(shared_names(sources())) or 0)
