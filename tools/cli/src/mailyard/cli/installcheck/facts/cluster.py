"""Read the cluster from the API: version, storage, rights, nodes, load balancers."""

import re
from collections import defaultdict
from collections.abc import Iterable

from kubernetes.utils.quantity import parse_quantity

from mailyard.cli.installcheck.checks.cluster import ClusterFacts
from mailyard.cli.installcheck.checks.frontdoor import Balancers
from mailyard.cli.installcheck.checks.nodes import Node
from mailyard.cli.installcheck.checks.podsecurity import NamespaceFacts
from mailyard.cli.installcheck.checks.rights import Right
from mailyard.cli.installcheck.checks.storage import StorageClass
from mailyard.cli.installcheck.facts.absent import Absent
from mailyard.cli.installcheck.facts.api import Api, Json

_ENFORCE = "pod-security.kubernetes.io/enforce"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_NAME = "app.kubernetes.io/name"
_VERSION = "app.kubernetes.io/version"
_NUMBERS = re.compile(r"v?(\d+)\.(\d+)")
_CLOSING = frozenset({"NoSchedule", "NoExecute"})
RESOURCES = (
    ("", "configmaps"),
    ("", "pods"),
    ("", "secrets"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
)
OPTIONAL = (
    ("cert-manager.io", "certificates"),
    ("gateway.networking.k8s.io", "tcproutes"),
    ("grafana.integreatly.org", "grafanadashboards"),
    ("keda.sh", "scaledobjects"),
    ("monitoring.coreos.com", "podmonitors"),
    ("monitoring.coreos.com", "prometheusrules"),
)


def read_cluster(api: Api) -> ClusterFacts:
    """Version and API groups."""
    version = api.get("/version")
    major, minor = (int(re.sub(r"\D.*", "", str(version[part]))) for part in ("major", "minor"))
    return ClusterFacts(major, minor, _groups(api), _keda(api))


def _keda(api: Api) -> tuple[int, int] | None:
    """Return the version label of the operator's deployment; None if it cannot be read."""
    try:
        found = api.items(f"/apis/apps/v1/deployments?labelSelector={_NAME}%3Dkeda-operator")
    except Absent:
        return None
    labels = (each["metadata"]["labels"].get(_VERSION, "") for each in found)
    parts = next((match for text in labels if (match := _NUMBERS.match(text))), None)
    return (int(parts[1]), int(parts[2])) if parts else None


def _groups(api: Api) -> frozenset[str]:
    return frozenset(group["name"] for group in api.get("/apis").get("groups") or [])


def read_storage(api: Api) -> list[StorageClass]:
    """All classes of volumes."""
    return [
        StorageClass(
            item["metadata"]["name"],
            (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true",
            item["provisioner"],
            bool(item.get("allowVolumeExpansion")),
        )
        for item in api.items("/apis/storage.k8s.io/v1/storageclasses")
    ]


def read_rights(api: Api, namespace: str) -> list[Right]:
    """Check the right to create each resource of the chart, if the cluster has its API."""
    groups = _groups(api)
    wanted = [*RESOURCES, *(each for each in OPTIONAL if each[0] in groups)]
    return [_right(api, namespace, group, resource) for group, resource in wanted]


def _right(api: Api, namespace: str, group: str, resource: str) -> Right:
    attributes = {"namespace": namespace, "verb": "create", "group": group, "resource": resource}
    answer = api.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    return Right(group, resource, bool(answer["status"].get("allowed")))


def read_namespace(api: Api, name: str) -> NamespaceFacts:
    """Return whether the namespace exists, and which standard it enforces."""
    found = api.find(f"/api/v1/namespaces/{name}")
    labels = found["metadata"].get("labels") or {} if found else {}
    return NamespaceFacts(name, found is not None, labels.get(_ENFORCE, ""))


def read_nodes(api: Api) -> list[Node]:
    """Return the ready nodes that accept pods, with their free capacity."""
    pods: dict[str, list[Json]] = defaultdict(list)
    for pod in api.items("/api/v1/pods"):
        if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}:
            pods[pod["spec"].get("nodeName", "")].append(pod)
    nodes = [node for node in api.items("/api/v1/nodes") if _takes_pods(node)]
    return [_node(node, pods[node["metadata"]["name"]]) for node in nodes]


def _takes_pods(node: Json) -> bool:
    """Return whether a node is ready and accepts pods without tolerations."""
    conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
    taints = node["spec"].get("taints") or []
    closed = node["spec"].get("unschedulable") or any(taint["effect"] in _CLOSING for taint in taints)
    return conditions.get("Ready") == "True" and not closed


def _node(node: Json, pods: Iterable[Json]) -> Node:
    allocatable = node["status"]["allocatable"]
    requests = [
        container.get("resources", {}).get("requests") or {}
        for pod in pods
        for container in pod["spec"]["containers"]
    ]
    cpu = parse_quantity(allocatable["cpu"]) - sum(parse_quantity(each.get("cpu", "0")) for each in requests)
    octets = parse_quantity(allocatable["memory"]) - sum(
        parse_quantity(each.get("memory", "0")) for each in requests
    )
    return Node(node["metadata"]["name"], node["status"]["nodeInfo"]["architecture"], float(cpu), int(octets))


def read_balancers(api: Api) -> Balancers:
    """Services of type LoadBalancer in all namespaces."""
    services = [each for each in api.items("/api/v1/services") if each["spec"].get("type") == "LoadBalancer"]
    served = sum(1 for each in services if addresses(each))
    return Balancers(served, len(services) - served)


def addresses(service: Json) -> tuple[str, ...]:
    """Return the addresses of a Service from its load balancer."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return tuple(each.get("ip") or each.get("hostname", "") for each in ingress)
