"""The Services and routes for clients and other servers."""

import pytest

from tests.chart.render import Objects, environment, render


def ports(objects: Objects, service: str) -> dict[str, tuple[int, str]]:
    found = objects.of("Service")[service]["spec"]["ports"]
    return {each["name"]: (each["port"], each["targetPort"]) for each in found}


def test_the_front_doors_have_the_ports_of_the_protocols(overlay: Objects):
    assert ports(overlay, "smtp-in") == {
        "smtp": (25, "smtp"),
        "submission": (587, "submission"),
        "submissions": (465, "submissions"),
    }
    assert ports(overlay, "imap") == {"imap": (143, "imap"), "imaps": (993, "imaps")}
    assert ports(overlay, "smtp-in-lmtp") == {"lmtp": (24, "lmtp")}


def test_balancers_keep_the_clients_addresses(production: Objects):
    for service in ("smtp-in", "imap"):
        spec = production.of("Service")[service]["spec"]
        assert (spec["type"], spec["externalTrafficPolicy"]) == ("LoadBalancer", "Local")


def test_lmtp_stays_inside_the_cluster(overlay: Objects):
    assert "type" not in overlay.of("Service")["smtp-in-lmtp"]["spec"]


def test_a_trial_asks_for_no_balancer(trial: Objects):
    spec = trial.of("Service")["smtp-in"]["spec"]
    assert spec["type"] == "ClusterIP"
    assert "externalTrafficPolicy" not in spec


def test_node_ports_may_be_fixed():
    objects = render(
        "production",
        "frontDoors.smtpIn.type=NodePort",
        "frontDoors.smtpIn.nodePorts.smtp=30025",
        "frontDoors.smtpIn.nodePorts.submissions=30465",
    )
    found = {each["name"]: each.get("nodePort") for each in objects.of("Service")["smtp-in"]["spec"]["ports"]}
    assert found == {"smtp": 30025, "submission": None, "submissions": 30465}


def test_a_clouds_balancer_gets_what_it_needs():
    spec = render(
        "production",
        "frontDoors.imap.loadBalancerClass=example.com/nlb",
        "frontDoors.imap.loadBalancerSourceRanges={192.0.2.0/24}",
        "frontDoors.ipFamilyPolicy=PreferDualStack",
    ).of("Service")["imap"]["spec"]
    assert spec["loadBalancerClass"] == "example.com/nlb"
    assert spec["loadBalancerSourceRanges"] == ["192.0.2.0/24"]
    assert spec["ipFamilyPolicy"] == "PreferDualStack"


@pytest.mark.parametrize("service", ["smtp-in", "imap"])
def test_proxy_headers_are_believed_from_the_balancers_networks(service: str):
    variable = f"MAILYARD_{service.replace('-', '_').upper()}_PROXY_NETWORKS"
    objects = render(
        "production",
        "frontDoors.proxyProtocol.enabled=true",
        "frontDoors.proxyProtocol.networks={10.0.0.0/24,2001:db8::/64}",
    )
    assert environment(objects.container("Deployment", service))[variable] == "10.0.0.0/24,2001:db8::/64"
    assert variable not in environment(render("production").container("Deployment", service))


def test_a_gateway_has_a_route_for_each_port():
    objects = render(
        "production",
        "frontDoors.gateway.enabled=true",
        "frontDoors.gateway.parentRefs[0].name=edge",
        "frontDoors.gateway.parentRefs[0].namespace=network",
    )
    routes = objects.of("TCPRoute")
    assert set(routes) == {
        "smtp-in-smtp",
        "smtp-in-submission",
        "smtp-in-submissions",
        "imap-imap",
        "imap-imaps",
    }
    assert routes["imap-imaps"]["apiVersion"] == "gateway.networking.k8s.io/v1alpha2"
    assert routes["imap-imaps"]["spec"] == {
        "parentRefs": [{"name": "edge", "namespace": "network", "sectionName": "imaps"}],
        "rules": [{"backendRefs": [{"name": "mailyard-imap", "port": 993}]}],
    }
