"""Builds images again: twice without the builder's cache, and after a change in one service.

Lines that begin with `==>` are of our own build steps: a step taken from the cache prints none.
"""

import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailyard.local.dockerfiles import COMPONENTS
from mailyard.local.paths import REPOSITORY
from tests.images.archive import Image, saved_image

_STEP = "==> "
_CODE = "==> our own: "
_CONTEXT = ("pyproject.toml", "uv.lock", ".dockerignore", "proto", "libs", "services", "tools")
_DOCKERFILES = {component.name: f"{component.folder}/Dockerfile" for component in COMPONENTS}
_CHANGED = "imap"
_CHANGE = "services/imap/src/mailyard/imap_server/main.py"
_FIRST_LINES = 30


class BuildFailed(Exception):
    """The builder did not do its work; the text is the end of what it said."""


def say(line: str) -> None:
    """Print a line at once: the next one may take a minute."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Builder:
    """The commands that build and save, and what images are called."""

    build: str
    save: str
    base_image: str
    repository: str

    def name(self, component: str, tag: str) -> str:
        """An image's name."""
        return f"{self.repository}/{component}:{tag}"

    def saved(self, component: str, tag: str) -> Image:
        """An image that has been built."""
        return saved_image(self.save, self.name(component, tag))

    def run(self, component: str, tag: str, context: Path, *options: str) -> list[str]:
        """Build one; return the lines of our own build steps. Raises BuildFailed."""
        command = (
            *shlex.split(self.build),
            *("-t", self.name(component, tag), "-f", _DOCKERFILES[component]),
            *("--build-arg", f"BASE_IMAGE={self.base_image}", *options, "."),
        )
        done = subprocess.run(
            command, cwd=context, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            raise BuildFailed("\n".join((shlex.join(command), *done.stdout.splitlines()[-_FIRST_LINES:])))
        return [line[line.index(_STEP) :] for line in done.stdout.splitlines() if _STEP in line]


def differences(builder: Builder, component: str) -> list[str]:
    """Build one twice from nothing; return what is not the same in the layers above the base."""
    trees = []
    with _own_context() as context:
        for tag in ("check-first", "check-second"):
            builder.run(component, tag, context, "--no-cache")
            layers = builder.saved(component, tag).layers
            trees.append({line for layer in layers for line in layer.fingerprints()})
    return [f"{component}: two builds differ in {line}" for line in sorted(trees[0] ^ trees[1])]


def rebuilt_without_need(builder: Builder, others: tuple[str, ...]) -> list[str]:
    """Change one service; return what was built although the change does not concern it."""
    found = []
    with _own_context() as context:
        for component in (*others, _CHANGED):
            builder.run(component, "check", context)
        before = {component: builder.saved(component, "check") for component in (*others, _CHANGED)}
        _change(context)
        for component in others:
            if steps := builder.run(component, "check", context):
                found.append(f"{component}: a change in {_CHANGED} ran {steps}")
            if builder.saved(component, "check").layers != before[component].layers:
                found.append(f"{component}: a change in {_CHANGED} made other layers")
        found += _changed(builder, context, before[_CHANGED])
    return found


def _changed(builder: Builder, context: Path, before: Image) -> list[str]:
    """The service that was changed has a new second layer, and its old first one, which was not even built."""
    started = time.monotonic()
    steps = builder.run(_CHANGED, "check", context)
    say(f"{_CHANGED} after a change of one line: {time.monotonic() - started:.1f} s")
    after = builder.saved(_CHANGED, "check")
    found = []
    if not any(step.startswith(_CODE) for step in steps) or after.layers[1] == before.layers[1]:
        found.append(f"{_CHANGED}: the change is not in the image")
    if not all(step.startswith(_CODE) for step in steps) or after.layers[0] != before.layers[0]:
        found.append(f"{_CHANGED}: a change of code built the dependencies again: {steps}")
    return found


@contextmanager
def _own_context() -> Iterator[Path]:
    """A copy of what the builder gets, so that the checkout is not changed, and may change meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for name in _CONTEXT:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, context / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
            else:
                shutil.copy2(source, context / name)
        yield context


def _change(context: Path) -> None:
    with (context / _CHANGE).open("a") as source:
        source.write(f"\nCHANGED = {time.time_ns()}\n")
