from typing import Any

import yaml

from mailyard.local.dockerfiles import COMPONENTS, closure, packages
from mailyard.local.paths import REPOSITORY

PACKAGES = packages(REPOSITORY)


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((REPOSITORY / "skaffold.yaml").read_text()))


def folders_of_services() -> set[str]:
    shells = {component.folder for component in COMPONENTS if component.folder.startswith("services/")}
    names = [package.name for package in PACKAGES.values() if package.folder in shells]
    return {folder for name in names for folder in closure(name, PACKAGES)}


def test_skaffold_builds_every_image_from_its_dockerfile():
    artifacts = documents()[0]["build"]["artifacts"]
    found = {artifact["image"]: artifact["docker"]["dockerfile"] for artifact in artifacts}
    assert found == {f"mailyard/{each.name}": f"{each.folder}/Dockerfile" for each in COMPONENTS}


def test_a_change_in_any_package_of_a_service_is_copied_to_its_pods():
    for artifact in documents()[0]["build"]["artifacts"]:
        if artifact["image"] == "mailyard/toolbox":
            continue
        rules = {rule["src"]: (rule["dest"], rule["strip"]) for rule in artifact["sync"]["manual"]}
        assert rules == {
            f"{folder}/src/**/*.py": ("/tmp/code", f"{folder}/src/") for folder in folders_of_services()
        }


def test_every_service_looks_first_where_changed_files_are_copied_to():
    services = yaml.safe_load((REPOSITORY / "skaffold/dev.yaml").read_text())["services"]
    expected = {"extraEnv": [{"name": "PYTHONPATH", "value": "/tmp/code"}]}
    names = (each.name for each in COMPONENTS if each.folder.startswith("services/"))
    assert services == dict.fromkeys(names, expected)


def test_skaffold_deploys_the_chart_itself_with_the_trial_overlay():
    release = documents()[0]["deploy"]["helm"]["releases"][0]
    assert release["chartPath"] == "charts/mailyard"
    assert release["valuesFiles"][0] == "charts/mailyard/values/trial.yaml"
    assert all((REPOSITORY / path).exists() for path in (release["chartPath"], *release["valuesFiles"]))


def test_the_load_is_bounded_in_mails_and_in_time():
    job = yaml.safe_load((REPOSITORY / documents()[1]["manifests"]["rawYaml"][0]).read_text())
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    options = dict(argument.removeprefix("--").split("=") for argument in arguments if "=" in argument)
    assert int(options["mails"]) <= 20_000
    assert int(options["seconds"]) < job["spec"]["activeDeadlineSeconds"]
