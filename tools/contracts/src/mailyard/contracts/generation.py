"""Run the protobuf compiler over `proto/`, and compare its output with the committed code.

The code is committed so that nobody needs a compiler to import `mailyard.proto.v1`.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorSet

PATTERNS = ("*_pb2.py", "*_pb2.pyi")


class CompilerError(Exception):
    """A .proto file does not compile; the text is the compiler's own, with file and line."""


def generate(proto: Path, output: Path) -> None:
    """Write `*_pb2.py` and `*_pb2.pyi` of every contract under `proto` into the package tree `output`."""
    _compile(proto, f"--python_out={output}", f"--pyi_out={output}")


def descriptor_set(proto: Path) -> FileDescriptorSet:
    """Describe every contract under `proto`, without comments and source positions."""
    with TemporaryDirectory() as scratch:
        target = Path(scratch) / "contracts.binpb"
        _compile(proto, f"--descriptor_set_out={target}")
        return FileDescriptorSet.FromString(target.read_bytes())


def stale(proto: Path, committed: Path) -> list[str]:
    """Name the generated files that are missing, differ, or have no contract any more."""
    with TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(proto, fresh)
        names = {*_generated(fresh), *_generated(committed)}
        return sorted(name for name in names if _content(fresh / name) != _content(committed / name))


def _compile(proto: Path, *outputs: str) -> None:
    sources = sorted(str(path) for path in proto.glob("mailyard/**/*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto}", *outputs, *sources]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise CompilerError(finished.stderr.strip())


def _generated(root: Path) -> Iterator[str]:
    for pattern in PATTERNS:
        yield from (str(path.relative_to(root)) for path in root.rglob(pattern))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
