"""One Mailyard as two releases on the same databases: front ends in one, back ends in the other."""

import re

import pytest
import yaml

from mailyard.local.paths import REPOSITORY
from tests.chart.render import SERVICES, Objects, environment, render
from tests.chart.test_chart_validation import refusal

FRONT = {"smtp-in", "imap"}
BACK = set(SERVICES) - FRONT
ALONE = ("canary.enabled=false", "sink.enabled=false", "sink.catchAll=false")
PER_SERVICE = (
    "Deployment",
    "PodDisruptionBudget",
    "ServiceAccount",
    "NetworkPolicy",
    "ScaledObject",
    "PodMonitor",
)


def only(services: set[str], *more: str) -> Objects:
    return render("production", *without(set(SERVICES) - services), *ALONE, *more)


def without(services: set[str]) -> list[str]:
    return [f"services.{service}.enabled=false" for service in sorted(services)]


@pytest.mark.parametrize("kind", PER_SERVICE)
@pytest.mark.parametrize("services", [FRONT, BACK], ids=["front", "back"])
def test_a_release_has_the_objects_of_its_own_services_alone(services: set[str], kind: str):
    assert set(only(services).of(kind)) & set(SERVICES) == services


def test_front_ends_alone_keep_their_front_doors_and_back_ends_have_none():
    front_doors = {"smtp-in", "smtp-in-lmtp", "imap"}
    front, back = set(only(FRONT).of("Service")), set(only(BACK).of("Service"))
    assert front == front_doors | {f"{service}-http" for service in FRONT}
    assert back == {f"{service}-http" for service in BACK}


def test_rules_of_the_filter_go_where_the_filter_is():
    rules = "filterRules=x"
    assert "filter" in only(BACK, rules).of("ConfigMap")
    assert "filter" not in only(FRONT, rules).of("ConfigMap")


def test_install_check_looks_at_the_front_doors_that_are_there():
    def listeners(objects: Objects) -> list[str]:
        given = environment(objects.container("Deployment", "toolbox"))["MAILYARD_INSTALL_CHECK_LISTENERS"]
        return [each.partition("=")[0] for each in (given or "").split()]

    assert listeners(only(FRONT)) == ["imap", "imaps", "smtp", "submission", "submissions"]
    assert listeners(only(BACK)) == []


def test_what_needs_a_service_that_is_left_out_is_refused():
    assert refusal("trial", *without({"smtp-in", "imap", "router"})) == [
        *(
            f"services.{service}.autoscaling reads the depth of queues from the router, which services.router.enabled "
            f"leaves out. Enable it beside {service}, or set services.{service}.autoscaling.enabled to false."
            for service in ("delivery", "filter", "relay")
        ),
        (
            "sink.enabled needs smtp-in beside it, which services.smtp-in.enabled leaves out. Enable both in one release, "
            "or set sink.enabled and canary.echo to false."
        ),
        *(
            f"canary.enabled needs {service}, which services.{service}.enabled leaves out. Name the one of another release "
            f"in canary.{way}, or run the canary there."
            for service, way in (("imap", "imap"), ("smtp-in", "submission"))
        ),
    ]


def test_the_sink_wants_relay_beside_it():
    (problem,) = refusal("production", *without({"relay"}))
    assert problem.startswith("sink.enabled needs relay beside it, which services.relay.enabled leaves out.")


def test_the_canary_may_use_front_ends_of_another_release():
    front = (
        "canary.submission=mail.example.org:587",
        "canary.imap=mail.example.org:143",
        "canary.enabled=true",
    )
    objects = render("production", *without(FRONT), "sink.enabled=false", "canary.echo=false", *front)
    assert "canary" in objects.of("CronJob")


@pytest.mark.parametrize(("name", "services"), [("front", FRONT), ("back", BACK)])
def test_the_files_that_the_page_shows_can_be_installed(name: str, services: set[str]):
    page = (REPOSITORY / "docs/operations/front-end-back-end.md").read_text()
    (block,) = re.findall(rf"^```\n(# {name}\.yaml.*?)^```", page, re.MULTILINE | re.DOTALL)
    objects = render("production", *settings(yaml.safe_load(block)))
    assert set(objects.of("Deployment")) == {*services, "toolbox"}


def settings(values: dict[str, dict[str, object]], above: str = "") -> list[str]:
    """Values as for `--set`."""
    return [
        setting
        for name, value in values.items()
        for setting in (
            settings(value, f"{above}{name}.")
            if isinstance(value, dict)
            else [f"{above}{name}:={str(value).lower()}"]
        )
    ]
