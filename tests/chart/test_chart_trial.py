"""The databases of a trial: small, without rights on the API, with the users of their images."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.chart.render import Object, Objects, environment, render


def mounts(container: Object) -> dict[str, str]:
    return {each["mountPath"]: each["name"] for each in container["volumeMounts"]}


def test_production_brings_no_databases(production: Objects):
    assert production.of("StatefulSet") == {}


def test_rabbitmq_nodes_know_each_other_by_name():
    objects = render("trial", "trial.rabbitmq.nodes=3")
    assert objects.of("StatefulSet")["rabbitmq"]["spec"]["replicas"] == 3
    lines = objects.of("ConfigMap")["rabbitmq"]["data"]["mailyard.conf"].splitlines()
    assert "cluster_formation.peer_discovery_backend = classic_config" in lines
    assert [line for line in lines if "classic_config.nodes" in line] == [
        f"cluster_formation.classic_config.nodes.{number + 1} = "
        f"rabbit@mailyard-rabbitmq-{number}.mailyard-rabbitmq-nodes.post.svc"
        for number in range(3)
    ]
    given = environment(objects.container("StatefulSet", "rabbitmq"))
    assert given["RABBITMQ_NODENAME"] == "rabbit@$(POD_NAME).mailyard-rabbitmq-nodes.post.svc"
    assert given["RABBITMQ_USE_LONGNAME"] == "true"


def test_rabbitmqs_user_is_a_file_beside_the_images_own_configuration(trial: Objects):
    container = trial.container("StatefulSet", "rabbitmq")
    assert mounts(container)["/etc/rabbitmq/conf.d/60-user.conf"] == "secret"
    assert "/etc/rabbitmq" not in mounts(container)
    secret = trial.of("Secret")["rabbitmq"]["stringData"]
    assert secret["user.conf"].splitlines()[1:] == [
        "default_user = mailyard",
        f"default_pass = {secret['password']}",
    ]


def test_erlangs_cookie_and_mongodbs_key_belong_to_their_owners_alone(trial: Objects):
    for database, path in (("rabbitmq", "/var/lib/rabbitmq/.erlang.cookie"), ("mongodb", "/run/key/keyfile")):
        pod = trial.pod("StatefulSet", database)
        (copy,) = pod["initContainers"]
        words = " ".join(copy["command"]).split()
        assert words[words.index("install") + 1] == "--mode=0400"
        assert words[words.index("install") + 3] == path
        assert copy["image"] == pod["containers"][0]["image"]
        assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_mongodb_starts_when_its_name_in_the_set_leads_to_it(trial: Objects):
    (key,) = trial.pod("StatefulSet", "mongodb")["initContainers"]
    nodes, address = key["env"]
    host = f"mailyard-mongodb-0.{nodes['value']}:27017"
    assert host in trial.pod("StatefulSet", "mongodb")["containers"][1]["args"]
    assert address["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"


@pytest.mark.parametrize(("answers", "seconds"), [(["", "10.0.0.7"], 1), (["10.0.0.9"], 60)])
def test_mongodbs_name_is_waited_for_and_a_minute_is_the_most(
    trial: Objects, tmp_path: Path, answers: list[str], seconds: int
):
    """The script of the container, with programs that record their arguments: the last answer is given ever after."""
    (key,) = trial.pod("StatefulSet", "mongodb")["initContainers"]
    waits = tmp_path / "waits"
    waits.touch()
    cases = "".join(f"{number}) echo '{each} STREAM' ;; " for number, each in enumerate(answers))
    scripts = {
        "install": "exit 0",
        "sleep": f"echo $1 >> {waits}",
        "getent": f"case $(wc -l < {waits}) in {cases}*) echo '{answers[-1]} STREAM' ;; esac",
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NODES": "nodes", "ADDRESS": "10.0.0.7"}
    done = subprocess.run(key["command"], env=given, capture_output=True, text=True, check=True)
    assert waits.read_text().splitlines() == ["1"] * seconds
    assert ("does not lead to 10.0.0.7" in done.stderr) == (seconds == 60)


def test_rabbitmq_starts_anew_when_its_configuration_changes():
    def checksum(*settings: str) -> str:
        template = render("trial", *settings).of("StatefulSet")["rabbitmq"]["spec"]["template"]
        text: str = template["metadata"]["annotations"]["checksum/config"]
        return text

    assert checksum("trial.rabbitmq.memoryHighWatermark=1GiB") != checksum()


def test_mongodb_is_a_replica_set_with_a_key_and_short_transactions(trial: Objects):
    command = trial.container("StatefulSet", "mongodb")["command"]
    assert command == [
        "mongod",
        "--replSet=rs0",
        "--bind_ip_all",
        "--dbpath=/data/db",
        "--keyFile=/run/key/keyfile",
        "--wiredTigerCacheSizeGB=0.25",
        "--setParameter=transactionLifetimeLimitSeconds=10",
    ]


def test_a_sidecar_makes_the_replica_set_and_its_user():
    sidecar = render("trial", "trial.mongodb.members=3").pod("StatefulSet", "mongodb")["containers"][1]
    members = [f"mailyard-mongodb-{number}.mailyard-mongodb-nodes.post.svc:27017" for number in range(3)]
    assert sidecar["image"] == "mailyard/toolbox:0.3.0"
    assert sidecar["args"] == [
        "replica-set",
        "initiate",
        *[part for member in members for part in ("--member", member)],
        *("--name", "rs0", "--user", "mailyard", "--password-file", "/run/secret/password", "--stay"),
    ]


def test_members_find_each_other_before_they_are_ready(trial: Objects):
    for database in ("rabbitmq", "mongodb"):
        service = trial.of("Service")[f"{database}-nodes"]["spec"]
        assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
        spec = trial.of("StatefulSet")[database]["spec"]
        assert (spec["serviceName"], spec["podManagementPolicy"]) == (
            f"mailyard-{database}-nodes",
            "Parallel",
        )


def test_several_nodes_are_kept_apart_and_drained_in_turn():
    objects = render("trial", "trial.rabbitmq.nodes=3", "trial.mongodb.members=3")
    for database in ("rabbitmq", "mongodb"):
        (spread,) = objects.pod("StatefulSet", database)["topologySpreadConstraints"]
        assert (spread["topologyKey"], spread["matchLabelKeys"]) == (
            "kubernetes.io/hostname",
            ["controller-revision-hash"],
        )
        budget = objects.of("PodDisruptionBudget")[database]["spec"]
        template = objects.of("StatefulSet")[database]["spec"]["template"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert spread["labelSelector"] == budget["selector"]


def test_a_single_node_has_nothing_to_be_kept_apart_from(trial: Objects):
    for database in ("rabbitmq", "mongodb"):
        assert "topologySpreadConstraints" not in trial.pod("StatefulSet", database)
        assert database not in trial.of("PodDisruptionBudget")


def test_databases_run_as_their_images_want_it_and_services_as_ours(trial: Objects):
    users = {
        name: (pod["securityContext"]["runAsUser"], pod["securityContext"]["fsGroup"])
        for name, pod in trial.pods().items()
    }
    databases = {name: user for name, user in users.items() if name.startswith("StatefulSet")}
    assert set(databases.values()) == {(999, 999)}
    assert {user for name, user in users.items() if name not in databases} == {(10001, 10001)}


def test_databases_have_places_for_all_that_they_write(trial: Objects):
    assert {"/var/lib/rabbitmq", "/var/log/rabbitmq", "/tmp"} <= set(
        mounts(trial.container("StatefulSet", "rabbitmq"))
    )
    assert {"/data/db", "/data/configdb", "/tmp"} <= set(mounts(trial.container("StatefulSet", "mongodb")))


def test_storage_is_as_the_values_say():
    objects = render("trial", "trial.mongodb.storage.size=50Gi", "trial.mongodb.storage.className=fast")
    (claim,) = objects.of("StatefulSet")["mongodb"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "50Gi"}},
    }


def test_secrets_that_open_volumes_outlive_the_release_as_the_volumes_do(trial: Objects):
    kept = {
        name
        for name, secret in trial.of("Secret").items()
        if secret["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {"rabbitmq", "mongodb", "accounts"}
