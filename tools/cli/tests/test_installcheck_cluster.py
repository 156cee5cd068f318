"""What install-check makes of a cluster: decisions over facts."""

import pytest

from mailyard.cli.installcheck.checks.clock import Skew, check_clock
from mailyard.cli.installcheck.checks.cluster import ClusterFacts, check_cluster
from mailyard.cli.installcheck.checks.frontdoor import (
    Balancers,
    Callers,
    FrontDoor,
    check_balancers,
    check_callers,
    check_front_doors,
)
from mailyard.cli.installcheck.checks.nodes import Node, Requests, check_nodes
from mailyard.cli.installcheck.checks.podsecurity import NamespaceFacts, check_pod_security
from mailyard.cli.installcheck.checks.rights import Right, check_rights
from mailyard.cli.installcheck.checks.services import Deployment, check_services
from mailyard.cli.installcheck.checks.storage import StorageClass, check_storage
from mailyard.cli.installcheck.finding import Finding, Level
from mailyard.runtime.services import NAMES

GIB = 2**30
ALL_GROUPS = frozenset(
    {"metrics.k8s.io", "keda.sh", "monitoring.coreos.com", "cert-manager.io", "gateway.networking.k8s.io"}
)


def levels(findings: list[Finding]) -> list[str]:
    return [finding.level.value for finding in findings]


def test_every_finding_that_is_not_well_says_what_to_do():
    worst = [
        *check_cluster(ClusterFacts(1, 20, frozenset())),
        *check_storage([]),
        *check_rights([Right("apps", "deployments", False)], "mail"),
        *check_pod_security(NamespaceFacts("mail", True)),
        *check_nodes([], Requests(1, GIB)),
        *check_balancers(Balancers(0, 2)),
        *check_balancers(Balancers(0, 0)),
        *check_front_doors([]),
        *check_callers(Callers(frozenset(), frozenset())),
        *check_services([]),
        *check_clock(Skew("x", 100)),
    ]
    assert all(finding.level is not Level.OK for finding in worst)
    assert all(finding.instruction for finding in worst)


@pytest.mark.parametrize(
    ("minor", "level"), [(29, "error"), (30, "ok"), (34, "ok"), (37, "ok"), (38, "warning")]
)
def test_the_cluster_must_be_new_enough_and_should_be_one_that_was_tested(minor, level):
    found = check_cluster(ClusterFacts(1, minor, ALL_GROUPS))
    assert levels(found) == [level, *["ok"] * 5]


def test_what_is_not_installed_is_named():
    found = check_cluster(ClusterFacts(1, 34, ALL_GROUPS - {"keda.sh"}))
    assert [finding.what for finding in found if finding.level is Level.WARNING] == ["KEDA is not installed"]


@pytest.mark.parametrize(
    ("version", "level", "words"),
    [
        ((2, 19), "warning", "KEDA 2.19 is too old"),
        ((2, 20), "ok", "KEDA is installed"),
        ((3, 0), "ok", "KEDA is installed"),
        (None, "ok", "KEDA is installed"),
    ],
)
def test_keda_must_read_metrics_of_the_router(version, level, words):
    [found] = [
        each for each in check_cluster(ClusterFacts(1, 34, ALL_GROUPS, version)) if "KEDA" in each.what
    ]
    assert (found.level, found.what) == (level, words)


@pytest.mark.parametrize(
    ("classes", "level", "words"),
    [
        ([("fast", True, True)], "ok", "default storage class fast (csi), volumes can grow"),
        ([("fast", True, False)], "warning", "default storage class fast (csi), volumes cannot grow"),
        ([("a", True, True), ("b", True, True)], "warning", "several storage classes are the default: a, b"),
        ([("a", False, True)], "warning", "no storage class is the default; existing classes: a"),
        ([], "warning", "no storage class is the default; existing classes: none"),
    ],
)
def test_there_is_one_default_storage_class(classes, level, words):
    [found] = check_storage([StorageClass(name, default, "csi", grows) for name, default, grows in classes])
    assert (found.level, found.what) == (level, words)


def test_rights_that_are_missing_are_named_as_kubectl_does():
    rights = [
        Right("", "secrets", True),
        Right("apps", "deployments", False),
        Right("keda.sh", "scaledobjects", False),
    ]
    [found] = check_rights(rights, "mail")
    assert found.what == "not allowed in mail: create deployments.apps, scaledobjects.keda.sh"
    assert found.instruction.endswith("kubectl auth can-i create deployments.apps -n mail")
    assert levels(check_rights(rights[:1], "mail")) == ["ok"]


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        (NamespaceFacts("mail", False), "ok"),
        (NamespaceFacts("mail", True, "restricted"), "ok"),
        (NamespaceFacts("mail", True, "baseline"), "warning"),
        (NamespaceFacts("mail", True), "warning"),
    ],
)
def test_the_namespace_should_enforce_the_restricted_standard(facts, level):
    assert levels(check_pod_security(facts)) == [level]


def test_nodes_need_room_for_all_that_is_requested():
    nodes = [Node("a", "amd64", 1.5, 3 * GIB), Node("b", "arm64", 1.0, 1 * GIB)]
    assert levels(check_nodes(nodes, Requests(2.5, 4 * GIB))) == ["ok"]
    [found] = check_nodes(nodes, Requests(2.6, GIB))
    assert (found.level, found.what) == (
        "error",
        "2.5 CPU and 4096 MiB are free on 2 node(s); the pods request 2.6 CPU and 1024 MiB",
    )
    assert levels(check_nodes(nodes, Requests(1, 5 * GIB))) == ["error"]


def test_nodes_of_other_processors_and_a_lone_node_are_reported():
    nodes = [Node("a", "amd64", 9, 9 * GIB), Node("b", "s390x", 9, 9 * GIB)]
    assert [finding.what for finding in check_nodes(nodes, Requests(1, GIB))][1:] == [
        "some nodes have other processors: s390x",
        "the cluster has only one node",
    ]
    assert levels(check_nodes(nodes[1:], Requests(1, GIB))) == ["error"]


@pytest.mark.parametrize(
    ("facts", "level"), [(Balancers(2, 1), "ok"), (Balancers(0, 1), "error"), (Balancers(0, 0), "unknown")]
)
def test_others_show_whether_balancers_get_addresses(facts, level):
    assert levels(check_balancers(facts)) == [level]


@pytest.mark.parametrize(
    ("kind", "policy", "addresses", "proxied", "expected"),
    [
        ("LoadBalancer", "Local", ("192.0.2.1",), False, ["ok", "ok"]),
        ("LoadBalancer", "Cluster", ("192.0.2.1",), True, ["ok", "ok"]),
        ("LoadBalancer", "Cluster", ("192.0.2.1",), False, ["ok", "warning"]),
        ("LoadBalancer", "Local", (), False, ["error", "ok"]),
        ("NodePort", "Cluster", (), False, ["ok", "warning"]),
        ("ClusterIP", "Cluster", (), False, ["warning"]),
    ],
)
def test_a_front_door_has_an_address_and_keeps_those_of_clients(kind, policy, addresses, proxied, expected):
    assert levels(check_front_doors([FrontDoor("x-smtp-in", kind, policy, addresses, proxied)])) == expected


@pytest.mark.parametrize(
    ("seen", "nodes", "level"),
    [
        ({"192.0.2.1", "2001:db8::1"}, {"10.0.0.1"}, "ok"),
        ({"192.0.2.1", "10.0.0.1"}, {"10.0.0.1"}, "warning"),
        ({"10.0.0.1"}, {"10.0.0.1", "10.0.0.2"}, "error"),
        ({"2001:db8:0::1"}, {"2001:DB8::1"}, "error"),
        ({"192.0.2.1"}, None, "unknown"),
        (set(), {"10.0.0.1"}, "unknown"),
    ],
)
def test_what_smtp_in_saw_is_compared_with_the_nodes(seen, nodes, level):
    facts = Callers(frozenset(seen), None if nodes is None else frozenset(nodes))
    assert levels(check_callers(facts)) == [level]


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, "ok"), (-5, "ok"), (6, "warning"), (-60, "warning"), (-61, "error")]
)
def test_clocks_may_differ_by_seconds(seconds, level):
    assert levels(check_clock(Skew("MongoDB", seconds))) == [level]


def test_services_are_ready_pod_by_pod():
    deployments = [Deployment(name, 2, 2) for name in NAMES]
    assert levels(check_services(deployments)) == ["ok"] * 6
    deployments[0], deployments[1] = Deployment("smtp-in", 2, 1), Deployment("router", 2, 0)
    found = check_services([*deployments[:5], Deployment("sink", 0, 0)])
    assert levels(found) == ["warning", "error", "ok", "ok", "ok", "ok", "error"]
    assert found[-1].what == "no deployment exists for imap"
