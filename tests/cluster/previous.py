"""The chart of an earlier commit, taken out of git."""

import io
import subprocess
import tarfile
from pathlib import Path

from mailyard.local.paths import REPOSITORY

CHART = "charts/mailyard"


class NoEarlierChart(Exception):
    """Git has no such commit, or no chart in it; the text says what git said, and what helps."""


def ensure(ref: str, repository: Path = REPOSITORY) -> None:
    """Look whether the chart is there; raises NoEarlierChart."""
    _git(ref, repository, "cat-file", "-e", f"{ref}:{CHART}/Chart.yaml")


def extract(ref: str, folder: Path, repository: Path = REPOSITORY) -> Path:
    """Write the chart below a folder and return where; raises NoEarlierChart."""
    archive = _git(ref, repository, "archive", "--format=tar", ref, CHART)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder / CHART


def _git(ref: str, repository: Path, *command: str) -> bytes:
    try:
        done = subprocess.run(["git", *command], cwd=repository, capture_output=True, check=False)
    except OSError as error:
        raise NoEarlierChart(f"the chart of {ref} cannot be read: {error}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").partition("\n")[0]
        raise NoEarlierChart(
            f"{ref} is no commit of this checkout with {CHART} in it (git: {said});"
            " a shallow checkout has only its last commits: git fetch --unshallow"
        )
    return done.stdout
