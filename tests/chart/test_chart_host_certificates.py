"""Certificates of further host names reach the pods that show certificates, each in a subfolder."""

import pytest

from tests.chart.render import Objects, environment, render

FOLDER = "TLS_CERTIFICATE_FOLDER"


@pytest.fixture(scope="module")
def given() -> Objects:
    return render("trial", "tls.hostSecrets={customer-1,customer-2}")


@pytest.mark.parametrize("name", ["smtp-in", "imap"])
def test_each_secret_is_a_subfolder_with_certificate_and_key(given: Objects, name: str) -> None:
    container = given.container("Deployment", name)
    variable = f"MAILYARD_{name.replace('-', '_').upper()}_{FOLDER}"

    assert environment(container)[variable] == "/etc/mailyard/hosts"
    assert "/etc/mailyard/hosts" in {each["mountPath"] for each in container["volumeMounts"]}
    volumes = given.of("Deployment")[name]["spec"]["template"]["spec"]["volumes"]
    volume = next(each for each in volumes if each["name"] == "hosts")
    secrets = [each["secret"] for each in volume["projected"]["sources"]]
    assert [each["name"] for each in secrets] == ["customer-1", "customer-2"]
    assert all(
        each["optional"] for each in secrets
    )  # a Secret that is not there yet keeps no pod from starting
    assert [item["path"] for item in secrets[0]["items"]] == ["customer-1/tls.crt", "customer-1/tls.key"]


@pytest.mark.parametrize("name", ["router", "relay"])
def test_services_without_listeners_have_none(given: Objects, name: str) -> None:
    assert "customer-1" not in str(given.of("Deployment")[name])


def test_without_host_names_no_pod_has_the_variable(trial: Objects) -> None:
    assert FOLDER not in trial.text
