"""Every object is one that Kubernetes knows, in all versions that the chart is for."""

from collections.abc import Iterator
from functools import cache

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from tests.chart.render import OVERLAYS, Objects, render

VERSIONS = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
FOREIGN = (
    "cert-manager.io",
    "gateway.networking.k8s.io",
    "grafana.integreatly.org",
    "keda.sh",
    "monitoring.coreos.com",
)


@pytest.fixture(scope="module", autouse=True)
def _read_schemas_once() -> Iterator[None]:
    """The package reads two megabytes for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


def own_objects(objects: Objects) -> list[dict[str, object]]:
    return [each for each in objects if each["apiVersion"].partition("/")[0] not in FOREIGN]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(OVERLAYS))
def test_kubernetes_takes_all_objects_of_an_overlay(name: str, version: str):
    for each in own_objects(render(name)):
        assert kubernetes_validate.validate(each, version, strict=True) == version


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_kubernetes_takes_what_only_some_installations_have(version: str):
    without_keda = render("trial", "trial.rabbitmq.nodes=3", "trial.mongodb.members=3", apis=(), upgrade=True)
    assert without_keda.of("HorizontalPodAutoscaler")
    for each in own_objects(without_keda):
        kubernetes_validate.validate(each, version, strict=True)


def test_a_field_that_does_not_exist_would_be_noticed(trial: Objects):
    service = {**trial.of("Service")["imap"], "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, VERSIONS[0], strict=True)


def test_names_are_short_enough_for_labels_and_unique(overlay: Objects):
    names = [(each["kind"], each["metadata"]["name"]) for each in overlay]
    assert [name for name in names if len(name[1]) > 63] == []
    assert len(set(names)) == len(names)


def test_names_stay_short_enough_with_the_longest_release():
    release = "a" * 21
    names = [each["metadata"]["name"] for each in render("trial", release=release, upgrade=True)]
    assert max(map(len, names)) <= 63
    assert f"{release}-mailyard-smtp-in-lmtp" in names


def test_a_release_that_says_mailyard_does_not_say_it_twice():
    assert "post-mailyard-imap" in {
        each["metadata"]["name"] for each in render("trial", release="post-mailyard")
    }
    assert "post-mailyard-imap" in {each["metadata"]["name"] for each in render("trial", release="post")}


def test_every_object_is_labelled_and_in_the_releases_namespace(overlay: Objects):
    for each in overlay:
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "mailyard"
        assert labels["app.kubernetes.io/instance"] == "mailyard"
        assert labels["app.kubernetes.io/part-of"] == "mailyard"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert each["metadata"]["namespace"] == "post"
