"""values.schema.json: unknown and wrong values are refused with the name of the value."""

import json
import re
import subprocess

import pytest
import yaml

from mailyard.chart.entries import Entry, entries
from mailyard.chart.main import files
from mailyard.runtime.services import NAMES
from mailyard.runtime.settings import renamed_variables, settings_class
from tests.chart.render import CHART, HELM, OVERLAYS, Refused, render


def test_readme_and_schema_are_what_the_values_say():
    assert {path.name: path.read_text() == text for path, text in files(CHART).items()} == {
        "README.md": True,
        "values.schema.json": True,
        "_catalogue.tpl": True,
    }


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("hostnam=x", "(root): Additional property hostnam is not allowed"),
        ("image.tags=x", "image: Additional property tags is not allowed"),
        ("image.digests.imap=latest", "image.digests.imap: Does not match pattern"),
        ("services.smpt-in.replicas=2", "services: Additional property smpt-in is not allowed"),
        (
            "services.smtp-in.settings.mxListen=:25",
            "services.smtp-in.settings: Additional property mxListen is not allowed",
        ),
        (
            "services.imap.settings.recipients=5",
            "services.imap.settings: Additional property recipients is not allowed",
        ),
        (
            "services.imap.replicas=two",
            "services.imap.replicas: Invalid type. Expected: integer, given: string",
        ),
        ("services.imap.replicas=0", "services.imap.replicas: Must be greater than or equal to 1"),
        (
            "services.smtp-in.settings.bareNewline=keep",
            'services.smtp-in.settings.bareNewline: services.smtp-in.settings.bareNewline must be one of the following: "reject", "repair"',
        ),
        (
            "services.smtp-in.settings.errors=0",
            "services.smtp-in.settings.errors: Must be greater than or equal to 1",
        ),
        (
            "autoscaling.mode=magic",
            'autoscaling.mode must be one of the following: "auto", "keda", "hpa", "none"',
        ),
        ("trial.rabbitmq.nodes=2", "trial.rabbitmq.nodes must be one of the following: 1, 3"),
        ("services.relay.resources.limit.memory=1Gi", "Additional property limit is not allowed"),
        (
            "services.relay.resources.limits.memroy=1Gi",
            "services.relay.resources.limits: Property name of",
        ),
        ("canary.imap=mail.example.org", "canary.imap: Does not match pattern"),
        ("hostname=Mail Server", "hostname: Does not match pattern"),
        ("connections.amqpUrl=http://broker", "connections.amqpUrl: Does not match pattern"),
        (
            "frontDoors.smtpIn.nodePorts.pop3=30110",
            "frontDoors.smtpIn.nodePorts: Additional property pop3 is not allowed",
        ),
        (
            "frontDoors.proxyProtocol.networks={everyone}",
            "frontDoors.proxyProtocol.networks.0: Does not match pattern",
        ),
        ("setup.tenants[0].accounts[0].password=x", "Additional property password is not allowed"),
        (
            r"services.imap.podLabels.app\.kubernetes\.io/component=x",
            "services.imap.podLabels: Property name of",
        ),
        (
            "services.imap.disruption.maxUnavailable=0",
            "services.imap.disruption.maxUnavailable: Must be greater",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_name(setting: str, text: str):
    with pytest.raises(Refused) as refused:
        render("trial", setting)
    assert text in str(refused.value)


def test_a_chart_that_this_one_is_part_of_may_give_global_values():
    assert render("trial", "global.team=mail").of("Deployment")


def test_every_value_is_described_and_no_object_is_open():
    undescribed = [".".join(entry.path) for entry in leaves(documented()) if not entry.description]
    assert undescribed == []
    assert open_objects(json.loads(CHART.joinpath("values.schema.json").read_text()), "") == []


def documented() -> tuple[Entry, ...]:
    return entries(CHART.joinpath("values.yaml").read_text())


def leaves(found: tuple[Entry, ...]) -> list[Entry]:
    """Values of which there is only one description for all services count once."""
    flat: list[Entry] = []
    for entry in found:
        inside = entry.children[:1] if entry.keywords.get("each") else entry.children
        flat += leaves(inside) if entry.children else [entry]
    return flat


def open_objects(schema: object, path: str) -> list[str]:
    """Objects with named properties that take others, too."""
    if isinstance(schema, list):
        return [
            found for number, each in enumerate(schema) for found in open_objects(each, f"{path}/{number}")
        ]
    if not isinstance(schema, dict):
        return []
    inside = [found for key, each in schema.items() for found in open_objects(each, f"{path}/{key}")]
    is_open = isinstance(schema.get("properties"), dict) and schema.get("additionalProperties") is not False
    return [*inside, path] if is_open and "type" in schema and path != "/properties/global" else inside


def test_every_service_of_the_platform_is_in_the_values():
    values = yaml.safe_load(CHART.joinpath("values.yaml").read_text())
    assert tuple(values["services"]) == NAMES


@pytest.mark.parametrize("service", NAMES)
def test_settings_of_the_schema_are_settings_of_the_service(service: str):
    schema = json.loads(CHART.joinpath("values.schema.json").read_text())
    known = schema["properties"]["services"]["properties"][service]["properties"]["settings"]["properties"]
    fields = {re.sub("([A-Z])", r"_\1", name).lower() for name in known}
    model = settings_class(service)
    prefix = model.model_config["env_prefix"]
    old = {renamed.old.removeprefix(prefix).lower() for _, renamed in renamed_variables(model)}
    assert fields <= {*model.model_fields, *old}
    assert {"log_level", "log_format"} < fields


@pytest.mark.parametrize("name", sorted(OVERLAYS))
def test_helm_finds_nothing_to_say_about_an_overlay(name: str):
    values = ",".join(str(CHART / f"values/{each}.yaml") for each in OVERLAYS[name])
    command = [
        HELM,
        "lint",
        "--strict",
        "--quiet",
        CHART,
        "--values",
        values,
        "--set",
        "hostname=mail.example.org",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
