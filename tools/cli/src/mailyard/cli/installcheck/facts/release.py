"""Read a release from the API: deployments, front doors, and the addresses of nodes."""

from ipaddress import ip_network

from mailyard.cli.installcheck.checks.frontdoor import FrontDoor
from mailyard.cli.installcheck.checks.services import Deployment
from mailyard.cli.installcheck.facts.api import Api, Json
from mailyard.cli.installcheck.facts.cluster import addresses

FRONT_DOORS = {"smtp-in": "MAILYARD_SMTP_IN_PROXY_NETWORKS", "imap": "MAILYARD_IMAP_PROXY_NETWORKS"}
_COMPONENT = "app.kubernetes.io/component"


def read_deployments(api: Api, namespace: str, release: str) -> list[Deployment]:
    """All deployments of the release."""
    return [
        Deployment(
            item["metadata"]["labels"].get(_COMPONENT, item["metadata"]["name"]),
            item["spec"].get("replicas", 1),
            item.get("status", {}).get("readyReplicas", 0),
        )
        for item in _deployments(api, namespace, release)
    ]


def read_front_doors(api: Api, namespace: str, release: str) -> list[FrontDoor]:
    """Return the Services of smtp-in and imap for clients, without those for metrics or LMTP."""
    proxied = _proxied(_deployments(api, namespace, release))
    services = api.items(f"/api/v1/namespaces/{namespace}/services?{_selector(release)}")
    return [
        _door(service, component in proxied)
        for service in services
        if (component := service["metadata"]["labels"].get(_COMPONENT, "")) in FRONT_DOORS
        and service["metadata"]["name"].endswith(f"-{component}")
    ]


def read_hostname(api: Api, namespace: str, release: str) -> str | None:
    """Return the host name in the greetings of the release; None if it is not set."""
    names = (_variables(each).get("MAILYARD_HOSTNAME") for each in _deployments(api, namespace, release))
    return next(filter(None, names), None)


def _door(service: Json, proxied: bool) -> FrontDoor:
    return FrontDoor(
        service["metadata"]["name"],
        service["spec"].get("type", "ClusterIP"),
        service["spec"].get("externalTrafficPolicy", "Cluster"),
        addresses(service),
        proxied,
    )


def _proxied(deployments: list[Json]) -> set[str]:
    """Return the components that have networks of load balancers in their settings."""
    found = set()
    for deployment in deployments:
        component = deployment["metadata"]["labels"].get(_COMPONENT, "")
        if _variables(deployment).get(FRONT_DOORS.get(component, "")):
            found.add(component)
    return found


def _variables(deployment: Json) -> dict[str, str | None]:
    """Return the environment of a deployment's containers; None: the value comes from another object."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value") for one in containers for each in one.get("env") or []}


def read_node_addresses(api: Api) -> frozenset[str]:
    """Return the addresses of nodes that can replace a client's address: its own, and its first in the pods' network."""
    nodes = api.items("/api/v1/nodes")
    own = {each["address"] for node in nodes for each in node["status"].get("addresses", []) if _is_ip(each)}
    bridges = {
        str(next(ip_network(cidr).hosts()))
        for node in nodes
        for cidr in node.get("spec", {}).get("podCIDRs") or []
    }
    return frozenset(own | bridges)


def _is_ip(address: Json) -> bool:
    return address["type"] in {"InternalIP", "ExternalIP"}


def _deployments(api: Api, namespace: str, release: str) -> list[Json]:
    return api.items(f"/apis/apps/v1/namespaces/{namespace}/deployments?{_selector(release)}")


def _selector(release: str) -> str:
    return f"labelSelector=app.kubernetes.io/name%3Dmailyard,app.kubernetes.io/instance%3D{release}"
