"""NetworkPolicies: deny by default, and allow the connections that each component needs."""

from typing import Any

import pytest

from tests.chart.render import SERVICES, Objects, render


def rules(objects: Objects, name: str, direction: str) -> list[tuple[set[Any], list[str]]]:
    """Ports of each rule, and the components that it names; none: anybody."""
    return [
        (
            {each["port"] for each in rule.get("ports", [])},
            [
                "any pod"
                if "namespaceSelector" in peer
                else peer["podSelector"]
                .get("matchLabels", {})
                .get("app.kubernetes.io/component", "any of ours")
                for peer in rule.get("from", []) + rule.get("to", [])
            ],
        )
        for rule in objects.of("NetworkPolicy")[name]["spec"].get(direction, [])
    ]


def test_nothing_is_allowed_by_default(overlay: Objects):
    assert overlay.of("NetworkPolicy")["default-deny"]["spec"] == {
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "mailyard", "app.kubernetes.io/instance": "mailyard"}
        },
        "policyTypes": ["Ingress", "Egress"],
    }


def test_every_component_has_a_policy_of_its_own(overlay: Objects):
    components = {pod["serviceAccountName"].removeprefix("mailyard-") for pod in overlay.pods().values()}
    assert set(overlay.of("NetworkPolicy")) == components | {"default-deny"}


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"smtp-in", "imap"}))
def test_inner_services_are_asked_for_health_and_metrics_only(trial: Objects, service: str):
    assert rules(trial, service, "ingress") == [({"http"}, ["any pod"])]


def test_front_doors_are_open_and_lmtp_is_for_the_namespace(trial: Objects):
    assert rules(trial, "smtp-in", "ingress") == [
        ({"http"}, ["any pod"]),
        ({"smtp", "submission", "submissions"}, []),
        ({"lmtp"}, ["any of ours"]),
    ]
    assert rules(trial, "imap", "ingress") == [({"http"}, ["any pod"]), ({"imap", "imaps"}, [])]


def test_smtp_in_alone_asks_the_filter_before_it_accepts():
    objects = render("trial", "inlineFilter={mx,lmtp}")
    assert rules(objects, "filter", "ingress") == [({"http"}, ["any pod"]), ({"inline"}, ["smtp-in"])]
    assert ({9104}, ["filter"]) in rules(objects, "smtp-in", "egress")
    ports = {each["name"]: each["port"] for each in objects.of("Service")["filter-http"]["spec"]["ports"]}
    assert ports == {"http": 9100, "inline": 9104}


def test_metrics_may_be_for_the_toolbox_and_those_who_are_named_alone():
    objects = render(
        "trial",
        r"networkPolicies.metricsFrom[0].podSelector.matchLabels.app\.kubernetes\.io/component=watcher",
    )
    expected = ["toolbox", "watcher"]
    for service in SERVICES:
        assert rules(objects, service, "ingress")[0] == ({"http"}, expected), service
    assert ({"prometheus"}, expected) in rules(objects, "rabbitmq", "ingress")


def test_lmtp_may_be_for_those_who_are_named():
    objects = render("trial", "networkPolicies.lmtpFrom[0].podSelector.matchLabels.app=lists")
    (rule,) = [
        rule
        for rule in objects.of("NetworkPolicy")["smtp-in"]["spec"]["ingress"]
        if rule["ports"][0]["port"] == "lmtp"
    ]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "lists"}}}]


def test_the_dns_may_be_named_and_listen_elsewhere():
    objects = render(
        "trial",
        "networkPolicies.dnsPorts={5353}",
        r"networkPolicies.dnsTo[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name=openshift-dns",
    )
    for name, policy in objects.of("NetworkPolicy").items():
        if name != "default-deny":
            assert policy["spec"]["egress"][0] == {
                "ports": [{"protocol": protocol, "port": 5353} for protocol in ("UDP", "TCP")],
                "to": [
                    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}}
                ],
            }, name


def test_a_collector_may_be_named():
    objects = render(
        "production",
        "tracing.endpoint=http://collector:4318",
        "networkPolicies.collectorTo[0].podSelector.matchLabels.app=collector",
    )
    (rule,) = [
        rule
        for rule in objects.of("NetworkPolicy")["imap"]["spec"]["egress"]
        if rule["ports"][0]["port"] == 4318
    ]
    assert rule["to"] == [{"podSelector": {"matchLabels": {"app": "collector"}}}]


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"relay"}))
def test_services_reach_the_dns_and_the_databases_only(trial: Objects, service: str):
    assert rules(trial, service, "egress") == [({53}, []), ({5672}, ["rabbitmq"]), ({27017}, ["mongodb"])]


def test_relay_reaches_other_servers_and_the_sink_too(trial: Objects):
    assert rules(trial, "relay", "egress")[3:] == [({24, 25, 465, 587}, []), ({2526}, ["sink"])]


def test_databases_elsewhere_are_reached_at_their_ports(production: Objects):
    assert rules(production, "router", "egress") == [({53}, []), ({5671, 5672}, []), ({27017}, [])]


def test_databases_may_be_named_as_peers():
    objects = render("production", "networkPolicies.databasesTo[0].ipBlock.cidr=10.1.0.0/16")
    egress = objects.of("NetworkPolicy")["router"]["spec"]["egress"]
    assert [rule.get("to") for rule in egress] == [None, *[[{"ipBlock": {"cidr": "10.1.0.0/16"}}]] * 2]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://collector.watch:4318", 4318), ("https://traces.example.com", 443), ("http://collector/v1", 80)],
)
def test_a_collector_is_reached_at_its_port(endpoint: str, port: int):
    objects = render("production", f"tracing.endpoint={endpoint}")
    assert ({port}, []) in rules(objects, "imap", "egress")


def test_the_trials_databases_hear_this_release_only(trial: Objects):
    assert rules(trial, "mongodb", "ingress") == [({"mongodb"}, ["any of ours"]), ({27017}, ["mongodb"])]
    assert rules(trial, "rabbitmq", "ingress") == [
        ({"amqp"}, ["any of ours"]),
        ({"prometheus"}, ["any pod"]),
        ({4369, 25672, 35672}, ["rabbitmq"]),
    ]


def test_the_canary_reaches_submission_and_imap_and_no_lmtp(trial: Objects):
    assert rules(trial, "canary", "egress")[3:] == [({2143, 2465, 2587, 2993}, ["smtp-in", "imap"])]


def test_a_canary_that_comes_from_outside_reaches_the_ports_that_it_is_given():
    objects = render("production", "canary.submission=mail.example.org:465", "canary.imap=[2001:db8::1]:1993")
    assert rules(objects, "canary", "egress")[3:] == [({465, 1993, 2143, 2465, 2587, 2993}, [])]


def test_the_sink_hears_relay_and_answers_to_smtp_in(trial: Objects):
    assert rules(trial, "sink", "ingress") == [({"smtp"}, ["relay"])]
    assert rules(trial, "sink", "egress") == [({53}, []), ({2525}, ["smtp-in"])]


def test_policies_may_be_left_to_others():
    assert render("trial", "networkPolicies.enabled=false").of("NetworkPolicy") == {}
