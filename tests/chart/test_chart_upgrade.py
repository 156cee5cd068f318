"""An upgrade keeps what exists in the cluster: selectors, volumes, passwords, certificates, and the size of databases."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.cluster import cluster_with
from tests.chart.render import SERVICES, Object, Objects, Refused, render, render_on

# What Kubernetes does not let an upgrade change, as 0.1.0 had it: another value here is a release that cannot be upgraded.
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"]},
}
VOLUMES = {"mongodb": "4Gi", "rabbitmq": "2Gi"}
DEPLOYMENTS = {*SERVICES, "sink", "toolbox"}


def selector(component: str) -> dict[str, dict[str, str]]:
    labels = {"name": "mailyard", "instance": "mailyard", "component": component}
    return {"matchLabels": {f"app.kubernetes.io/{key}": value for key, value in labels.items()}}


def test_deployments_select_the_pods_that_they_always_did(trial: Objects):
    found = {name: each["spec"]["selector"] for name, each in trial.of("Deployment").items()}
    assert found == {name: selector(name) for name in DEPLOYMENTS}


@pytest.mark.parametrize("database", VOLUMES)
@pytest.mark.parametrize("nodes", [1, 3])
def test_databases_keep_all_that_cannot_change(database: str, nodes: int):
    objects = render("trial", f"trial.rabbitmq.nodes={nodes}", f"trial.mongodb.members={nodes}")
    spec = objects.of("StatefulSet")[database]["spec"]
    size = {"resources": {"requests": {"storage": VOLUMES[database]}}}
    assert {key: value for key, value in spec.items() if key not in ("replicas", "template")} == {
        "serviceName": f"mailyard-{database}-nodes",
        "podManagementPolicy": "Parallel",
        "selector": selector(database),
        "volumeClaimTemplates": [{**CLAIM, "spec": {**CLAIM["spec"], **size}}],
    }


def test_headless_services_keep_all_that_cannot_change(trial: Objects):
    addresses = {name: each["spec"].get("clusterIP") for name, each in trial.of("Service").items()}
    assert {name for name, address in addresses.items() if address == "None"} == {
        "mongodb-nodes",
        "rabbitmq-nodes",
    }


def stored(secret: Object) -> Object:
    """As an API server gives a secret back."""
    texts = {
        key: base64.b64encode(text.encode()).decode() for key, text in secret.get("stringData", {}).items()
    }
    return {key: value for key, value in secret.items() if key != "stringData"} | {
        "data": texts | secret.get("data", {})
    }


def contents(objects: Objects) -> dict[str, dict[str, str]]:
    """Secrets of the release; that of the hook goes with the hook."""
    return {
        name: stored(secret)["data"]
        for name, secret in objects.of("Secret").items()
        if name != "mongodb-users-upgrade"
    }


@pytest.fixture(scope="module")
def installed(trial: Objects, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster in which the trial overlay is installed."""
    objects = [stored(each) for each in trial.of("Secret").values()]
    with cluster_with(
        [*objects, *trial.of("StatefulSet").values()], tmp_path_factory.mktemp("cluster")
    ) as config:
        yield config


def test_an_upgrade_keeps_every_secret(trial: Objects, installed: Path):
    assert contents(render_on(installed, "trial", "services.imap.replicas=2")) == contents(trial)


def test_an_install_elsewhere_makes_other_secrets(trial: Objects):
    other = contents(render("trial", "services.imap.replicas=2"))
    assert [name for name, data in contents(trial).items() if other[name] == data] == []


def test_a_new_account_gets_a_password_and_the_others_keep_theirs(trial: Objects, installed: Path):
    before = contents(trial)["accounts"]
    after = contents(render_on(installed, "trial", "setup.tenants[0].accounts[2].address=cleo@alpha.test"))[
        "accounts"
    ]
    assert set(after) - set(before) == {"cleo_at_alpha.test"}
    assert len(base64.b64decode(after["cleo_at_alpha.test"])) == 24
    assert {key: after[key] for key in before} == before


def test_another_host_name_gets_another_certificate(trial: Objects, installed: Path):
    after = contents(render_on(installed, "trial", "hostname=mail.other.test"))
    assert after["tls"]["tls.crt"] != contents(trial)["tls"]["tls.crt"]
    assert after["rabbitmq"] == contents(trial)["rabbitmq"]


@pytest.mark.parametrize("setting", ["trial.rabbitmq.nodes=3", "trial.mongodb.members=3"])
def test_a_database_that_runs_does_not_change_its_size(installed: Path, setting: str):
    with pytest.raises(
        Refused, match=r"runs with 1 and cannot become 3: its data would not follow\. Keep the number"
    ):
        render_on(installed, "trial", setting)


def test_the_administrator_of_a_percona_server_is_taken_from_its_secret(tmp_path: Path):
    users = {"MONGODB_DATABASE_ADMIN_USER": "databaseAdmin", "MONGODB_DATABASE_ADMIN_PASSWORD": "p/w:1"}
    metadata = {"name": "store-secrets", "namespace": "post"}
    secret = stored({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": users})
    with cluster_with([secret], tmp_path) as config:
        objects = render_on(
            config,
            "production",
            "connections.existingSecret=",
            "connections.amqpUrl=amqp://broker/",
            "connections.perconaServerMongoDB.name=store",
        )
    assert objects.of("Secret")["connections"]["stringData"] == {
        "amqp-url": "amqp://broker/",
        "mongo-url": "mongodb://databaseAdmin:p%2Fw%3A1@store-rs0.post.svc:27017/?replicaSet=rs0&authSource=admin",
    }
