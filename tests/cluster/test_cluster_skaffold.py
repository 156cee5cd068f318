"""skaffold.yaml as a run of the cluster test wants it, and what its load must become."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mailyard.local.paths import REPOSITORY
from tests.cluster.release import VALUES
from tests.cluster.skaffold import CONFIG, Load, Wanted, configured, images, load

OWN = VALUES / "local-databases.yaml"
HERE = Wanted("mail-skaffold", [OWN], "mailyard", "dev")
ELSEWHERE = Wanted("mail-skaffold", [], "registry.example:5000/mail", "1.2.3")


def release(folder: Path, wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = next(configured(folder, wanted))["deploy"]["helm"]["releases"][0]
    return found


def test_the_release_goes_to_the_namespace_of_the_run_with_its_values_last(tmp_path: Path) -> None:
    original = next(yaml.safe_load_all(CONFIG.read_text()))["deploy"]["helm"]["releases"][0]
    moved = release(tmp_path, HERE)
    assert moved["namespace"] == "mail-skaffold"
    assert moved["valuesFiles"] == [*(str(REPOSITORY / path) for path in original["valuesFiles"]), str(OWN)]
    assert moved["chartPath"] == str(REPOSITORY / "charts" / "mailyard")
    assert moved["setValueTemplates"] == original["setValueTemplates"]


def test_manifests_go_to_the_namespace_of_the_run_and_stay_the_same_otherwise(tmp_path: Path) -> None:
    original = yaml.safe_load((REPOSITORY / "skaffold" / "load" / "job.yaml").read_text())
    path = list(configured(tmp_path, HERE))[1]["manifests"]["rawYaml"][0]
    original["metadata"]["namespace"] = "mail-skaffold"
    assert yaml.safe_load(Path(path).read_text()) == original
    assert Path(path).parent == tmp_path


def test_nothing_but_the_run_names_a_namespace(tmp_path: Path) -> None:
    text = yaml.safe_dump_all(configured(tmp_path, HERE))
    named = [line.strip() for line in text.splitlines() if "namespace:" in line]
    assert named == ["namespace: mail-skaffold"]


def test_every_image_of_the_file_is_named_and_hooks_get_the_repository(tmp_path: Path) -> None:
    artifacts = next(yaml.safe_load_all(CONFIG.read_text()))["build"]["artifacts"]
    pairs = dict(each.split("=") for each in images(ELSEWHERE))
    assert pairs.keys() == {artifact["image"] for artifact in artifacts}
    assert pairs["mailyard/relay"] == "registry.example:5000/mail/relay:1.2.3"
    assert release(tmp_path, ELSEWHERE)["setValues"] == {"image.repository": "registry.example:5000/mail"}
    assert "setValues" not in release(tmp_path, HERE)


def test_the_load_is_shared_by_its_recipients_in_turn() -> None:
    job = yaml.safe_load((REPOSITORY / "skaffold" / "load" / "job.yaml").read_text())
    assert load([job]) == Load(10_000, ("anna@alpha.test", "ben@beta.test"))
    assert Load(7, ("a@x.test", "b@x.test")).expected() == {"a@x.test": 4, "b@x.test": 3}


def test_a_load_that_was_not_rendered_is_an_error() -> None:
    with pytest.raises(LookupError, match="nothing rendered is called mailyard-load"):
        load([{"metadata": {"name": "mailyard-relay"}}])
