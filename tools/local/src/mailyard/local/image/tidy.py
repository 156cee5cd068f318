"""Make a folder of an image small and reproducible: no superfluous files, compiled in one way, one time on all files."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mailyard.local.bootstrap import run

TIME = 315_532_800  # 1980-01-01, the first that a zip file can hold: the same for every commit, so that layers are shared
_FOLDERS = frozenset({"__pycache__", "tests", "test"})
_SUFFIXES = frozenset({".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".proto"})
_RECORDS = frozenset(
    {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
)
_UNUSED = ("kubernetes/aio",)  # a second client for the same API, 62 MB, which ours does not import


def remove_clutter(folder: Path) -> None:
    """Remove files that no program needs at run time, and records of place and time of the installation."""
    for unused in _UNUSED:
        for found in folder.rglob(unused):
            shutil.rmtree(found)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if path.name in _FOLDERS:
                shutil.rmtree(path)
        elif _is_clutter(path):
            path.unlink()


def _is_clutter(path: Path) -> bool:
    """Names and versions in METADATA and the licences stay."""
    of_the_installer = path.parent.suffix == ".dist-info" and path.name in _RECORDS
    return of_the_installer or path.name == ".lock" or path.suffix in _SUFFIXES


def compile_modules(python: Path, folder: Path) -> None:
    """Nothing can be compiled on a read-only root; a module's time is not compared, for all are the same."""
    mode = ("--invalidation-mode", "unchecked-hash")
    run(
        (str(python), "-m", "compileall", "-q", *mode, str(folder)),
        {**os.environ, "PYTHONHASHSEED": "0"},
        folder,
    )


def set_times(folder: Path) -> None:
    """Give everything in the folder, and the folder itself, the one time."""
    for path in _all(folder):
        os.utime(path, (TIME, TIME), follow_symlinks=False)


def _all(folder: Path) -> Iterator[Path]:
    yield from folder.rglob("*")
    yield folder
