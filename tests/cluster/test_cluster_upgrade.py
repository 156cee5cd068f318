"""What the upgrade comes from and goes to: a chart out of git, and the images that run in the end."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cluster.images import stale
from tests.cluster.previous import CHART, NoEarlierChart, ensure, extract


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: one without a chart, then one with version 0.1.0; the working copy is at 0.2.0."""
    (repository := tmp_path / "repository").mkdir()
    (repository / "README.md").write_text("mail\n")
    git(repository, "init", "--quiet")
    commit(repository, "first")
    (repository / CHART / "values").mkdir(parents=True)
    (repository / CHART / "Chart.yaml").write_text("version: 0.1.0\n")
    (repository / CHART / "values" / "trial.yaml").write_text("{}\n")
    commit(repository, "second")
    (repository / CHART / "Chart.yaml").write_text("version: 0.2.0\n")
    return repository


def git(repository: Path, *command: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *command], cwd=repository, check=True, capture_output=True)


def commit(repository: Path, name: str) -> None:
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", name)
    git(repository, "tag", name)


def test_an_earlier_chart_is_that_of_its_commit_and_not_of_the_working_copy(
    repository: Path, tmp_path: Path
) -> None:
    ensure("second", repository)
    chart = extract("second", tmp_path / "out", repository)
    assert (chart / "Chart.yaml").read_text() == "version: 0.1.0\n"
    assert (chart / "values" / "trial.yaml").exists()


@pytest.mark.parametrize("ref", ["first", "0123456789", "--help"])
def test_a_commit_that_is_not_there_or_has_no_chart_is_an_error_with_advice(
    repository: Path, ref: str
) -> None:
    with pytest.raises(
        NoEarlierChart, match=r"is no commit of this checkout with charts/mailyard .*--unshallow"
    ):
        ensure(ref, repository)


def test_without_a_git_checkout_the_error_is_the_same(tmp_path: Path) -> None:
    with pytest.raises(NoEarlierChart, match="not a git repository"):
        ensure("HEAD", tmp_path)


def pod(name: str, *containers: str, phase: str = "Running") -> Any:
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name),
        spec=SimpleNamespace(
            containers=[SimpleNamespace(image=image) for image in containers], init_containers=None
        ),
        status=SimpleNamespace(phase=phase),
    )


def test_pods_with_an_earlier_image_of_ours_are_named_and_databases_and_ended_ones_are_not() -> None:
    pods = [
        pod("filter-1", "registry:5000/mailyard/filter:dev"),
        pod("filter-0", "registry:5000/mailyard/filter:previous"),
        pod("mongodb-0", "registry:5000/mailyard/mongo:local", "registry:5000/mailyard/toolbox:previous"),
        pod("setup", "registry:5000/mailyard/toolbox:previous", phase="Succeeded"),
    ]
    assert stale(pods, "registry:5000/mailyard", "dev") == [
        "filter-0 runs registry:5000/mailyard/filter:previous",
        "mongodb-0 runs registry:5000/mailyard/toolbox:previous",
    ]
