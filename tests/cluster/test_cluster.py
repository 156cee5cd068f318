"""`make cluster-test` as tests, one for each check, in their order; only where a cluster is named."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import surroundings
from tests.cluster.__main__ import run
from tests.cluster.checks import CHECKS
from tests.cluster.subject import Subject, subject

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        surroundings.KUBECONFIG not in os.environ,
        reason=f"no cluster to test on: {surroundings.KUBECONFIG} names none (docs/cluster-test.md)",
    ),
]


@pytest.fixture(scope="module")
def under_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """One release for all checks."""
    output: Path = tmp_path_factory.mktemp("cluster")
    with subject(surroundings.read(), output, None) as made:
        yield made
        made.release.wipe()


@pytest.mark.parametrize("name", CHECKS)
def test_check(under_test: Subject, name: str) -> None:
    report = run(under_test, [name])
    result = report.results[0]
    if result.skipped:
        pytest.skip(result.skipped)
    assert report.passed, result.line()
