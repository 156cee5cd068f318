"""Rights of the pods, and the places of secrets."""

import base64
import json

import pytest

from tests.chart.quantities import octets
from tests.chart.render import SERVICES, Object, Objects, environment, render

# https://kubernetes.io/docs/concepts/security/pod-security-standards/, restricted
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: Object) -> list[str]:
    """What the restricted Pod Security Standard has against a pod."""
    found = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    context = pod.get("securityContext", {})
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        found.append("no seccomp profile")
    found += [
        f"volume {each['name']}" for each in pod.get("volumes", []) if not set(each) - {"name"} <= VOLUMES
    ]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        found += [f"{container['name']}: {problem}" for problem in _container_violations(container, context)]
    return found


def _container_violations(container: Object, pod_context: Object) -> list[str]:
    context = {**pod_context, **container.get("securityContext", {})}
    rules = {
        "may gain rights": context.get("allowPrivilegeEscalation") is False,
        "keeps capabilities": context.get("capabilities") == {"drop": ["ALL"]},
        "may be root": context.get("runAsNonRoot") is True and context.get("runAsUser") != 0,
        "is privileged": not context.get("privileged"),
        "has ports of the host": not any("hostPort" in port for port in container.get("ports", [])),
    }
    return [problem for problem, kept in rules.items() if not kept]


def test_all_pods_comply_with_the_restricted_standard(overlay: Objects):
    assert {name: found for name, pod in overlay.pods().items() if (found := violations(pod))} == {}


def test_a_pod_that_asks_for_more_would_be_noticed():
    assert violations({"hostNetwork": True, "containers": [{"name": "x"}]}) == [
        "hostNetwork is set",
        "no seccomp profile",
        "x: may gain rights",
        "x: keeps capabilities",
        "x: may be root",
    ]


def test_no_pod_may_write_to_its_image(overlay: Objects):
    writable = [
        f"{name}: {container['name']}"
        for name, pod in overlay.pods().items()
        for container in [*pod.get("initContainers", []), *pod["containers"]]
        if not container["securityContext"]["readOnlyRootFilesystem"]
    ]
    assert writable == []


def test_no_pod_has_a_token_or_links_to_services(overlay: Objects):
    for name, pod in overlay.pods().items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
    assert {
        kind for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") if overlay.of(kind)
    } == set()


def test_every_pod_has_an_account_that_exists(overlay: Objects):
    accounts = {f"mailyard-{name}" for name in overlay.of("ServiceAccount")}
    assert {pod["serviceAccountName"] for pod in overlay.pods().values()} == accounts


def test_every_container_asks_for_cpu_and_memory_and_only_memory_is_limited(overlay: Objects):
    for name, pod in overlay.pods().items():
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            resources, where = container["resources"], f"{name}: {container['name']}"
            assert set(resources["requests"]) == {"cpu", "memory"}, where
            assert set(resources["limits"]) == {"memory"}, where
            assert octets(resources["requests"]["memory"]) <= octets(resources["limits"]["memory"]), where


def test_services_may_take_the_memory_that_large_mails_were_measured_with(overlay: Objects):
    for service in SERVICES:
        limits = overlay.container("Deployment", service)["resources"]["limits"]
        assert octets(limits["memory"]) > 150 * 2**20, f"{service}: docs/operations/sizing.md states 150 MiB"


def secret_values(objects: Objects) -> set[str]:
    """Everything in secrets that is long enough to be one."""
    texts: set[str] = set()
    for each in objects.of("Secret").values():
        texts |= set(each.get("stringData", {}).values())
        texts |= {
            base64.b64decode(value).decode() for key, value in each.get("data", {}).items() if key != "ca.crt"
        }
    return {text for text in texts if len(text) >= 16}


def test_what_is_secret_stands_in_secrets_only():
    amqp, mongo = "amqp://user:hidden-word-1@broker/", "mongodb://user:hidden-word-2@store/?replicaSet=rs0"
    objects = render(
        "production",
        "connections.existingSecret=",
        f"connections.amqpUrl={amqp}",
        f"connections.mongoUrl={mongo}",
    )
    for rendered, expected in ((render("trial"), 9), (objects, 3)):
        secrets = secret_values(rendered)
        others = json.dumps([each for each in rendered if each["kind"] != "Secret"])
        assert len(secrets) >= expected
        assert [text for text in secrets if text in others] == []
        assert "hidden-word" not in others


def test_secrets_come_to_services_as_files(overlay: Objects):
    for service in SERVICES:
        container = overlay.container("Deployment", service)
        assert environment(container)["MAILYARD_AMQP_URL_FILE"] == "/etc/mailyard/connections/amqp-url"
        assert environment(container)["MAILYARD_MONGO_URL_FILE"] == "/etc/mailyard/connections/mongo-url"
        assert not any("secretKeyRef" in each.get("valueFrom", {}) for each in container["env"])


def test_made_up_passwords_may_stand_in_a_url(trial: Objects):
    given = trial.of("Secret")["connections"]["stringData"]
    broker, store = (trial.of("Secret")[name]["stringData"]["password"] for name in ("rabbitmq", "mongodb"))
    assert broker.isalnum()
    assert store.isalnum()
    assert given["amqp-url"] == f"amqp://mailyard:{broker}@mailyard-rabbitmq.post.svc:5672/"
    assert given["mongo-url"] == (
        f"mongodb://mailyard:{store}@mailyard-mongodb-0.mailyard-mongodb-nodes.post.svc:27017/"
        "?replicaSet=rs0&authSource=admin"
    )


@pytest.mark.parametrize("key", ["runAsUser", "runAsGroup", "fsGroup"])
def test_the_cluster_may_choose_the_users(key: str):
    context = render("production", f"podSecurity.{key}=null").pod("Deployment", "imap")["securityContext"]
    assert key not in context
    assert context["runAsNonRoot"] is True
