"""Prometheus' own programs, as the machine has them or as `make test` has fetched them."""

import shutil
from pathlib import Path

import pytest

from tests.trial.instance import REPOSITORY

RULES = REPOSITORY / "charts/mailyard/rules"


def program(name: str) -> Path:
    """Return the program; skips the test where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here and could not be fetched: install the package prometheus")
    return Path(found)


def rule_files() -> list[str]:
    """Return the chart's files of rules."""
    return sorted(str(path) for path in RULES.glob("*.yaml"))
