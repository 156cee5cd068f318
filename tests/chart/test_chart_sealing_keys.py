"""The keys that encrypt secrets in MongoDB reach the pods that may need them, as a file."""

import pytest

from tests.chart.render import SERVICES, Objects, environment, render

FILE = "MAILYARD_SEALING_KEYS_FILE"
GIVEN = "sealingKeys.existingSecret=my-keys"


@pytest.fixture(scope="module")
def given() -> Objects:
    return render("trial", GIVEN, "canary.enabled=true")


def secrets_of(pod: dict) -> list[tuple[str, str]]:
    """The secrets of the volume of connections, each with the file that it becomes."""
    volume = next(each for each in pod["volumes"] if each["name"] == "connections")
    return [
        (source["secret"]["name"], item["path"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    ]


@pytest.mark.parametrize("name", [*SERVICES, "toolbox"])
def test_services_and_toolbox_read_the_keys_from_a_file(given: Objects, name: str) -> None:
    deployment = given.of("Deployment")[name]

    assert environment(given.container("Deployment", name))[FILE] == "/etc/mailyard/connections/sealing-keys"
    assert ("my-keys", "sealing-keys") in secrets_of(deployment["spec"]["template"]["spec"])


def test_the_canary_has_no_keys(given: Objects) -> None:
    pods = [each for each in given if each["kind"] == "CronJob" and "canary" in each["metadata"]["name"]]

    assert len(pods) == 1
    pod = pods[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert FILE not in {each["name"] for each in pod["containers"][0]["env"]}
    assert "my-keys" not in {name for name, _ in secrets_of(pod)}


def test_without_a_secret_no_pod_has_the_variable(trial: Objects) -> None:
    assert FILE not in trial.text
