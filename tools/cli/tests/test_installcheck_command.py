"""`mailyard install-check` between a small Kubernetes API, a name server and mail servers of this machine."""

import asyncio
import json
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailyard.cli.installcheck.facts.cluster import OPTIONAL, RESOURCES
from mailyard.cli.main import app
from mailyard.local.processes import free_port
from mailyard.probe.boxes import Counter
from mailyard.probe.sink import NAME, Sink
from mailyard.runtime.services import NAMES
from tests.trial.cluster import fake_cluster, kubeconfig
from tests.trial.nameserver import fake_dns

HOST = "mail.example.org"
CHART = Path(__file__).parents[3] / "charts/mailyard"
SELECTOR = "labelSelector=app.kubernetes.io/name%3Dmailyard,app.kubernetes.io/instance%3Dyard"


def pod(node, cpu, memory, phase="Running"):
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    spec = {"nodeName": node, "containers": [{"name": "a", "resources": requests}, {"name": "b"}]}
    return {"spec": spec, "status": {"phase": phase}}


def node(name, ready="True", taint=None, unschedulable=False):
    status = {
        "allocatable": {"cpu": "4", "memory": "8Gi"},
        "conditions": [{"type": "Ready", "status": ready}],
        "nodeInfo": {"architecture": "amd64"},
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": name}],
    }
    taints = [{"key": "x", "effect": taint}] if taint else []
    spec = {"podCIDRs": ["10.42.0.0/24"], "taints": taints, "unschedulable": unschedulable}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def service(name, component, ingress):
    return {
        "metadata": {"name": name, "labels": {"app.kubernetes.io/component": component}},
        "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def deployment(component, ready, env=()):
    return {
        "metadata": {"name": f"yard-{component}", "labels": {"app.kubernetes.io/component": component}},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"name": component, "env": list(env)}]}},
        },
        "status": {"readyReplicas": ready},
    }


PROXIED = [{"name": "MAILYARD_IMAP_PROXY_NETWORKS", "value": "10.9.0.0/16"}]
ANSWERS = {
    "/version": {"major": "1", "minor": "34+"},
    "/apis": {"groups": [{"name": "keda.sh"}, {"name": "metrics.k8s.io"}]},
    "/apis/storage.k8s.io/v1/storageclasses": {
        "items": [
            {
                "metadata": {
                    "name": "fast",
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": "csi.example",
                "allowVolumeExpansion": True,
            }
        ]
    },
    "/api/v1/namespaces/mail": {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    "/api/v1/nodes": {
        "items": [
            node("a", taint="PreferNoSchedule"),
            node("b"),
            node("not-ready", ready="False"),
            node("tainted", taint="NoSchedule"),
            node("cordoned", unschedulable=True),
        ]
    },
    "/api/v1/pods": {
        "items": [pod("a", "1500m", "1Gi"), pod("b", "1", "2Gi"), pod("b", "3", "5Gi", "Succeeded")]
    },
    "/api/v1/services": {"items": [service("x", "y", [{"ip": "192.0.2.7"}]), service("z", "y", None)]},
    f"/apis/apps/v1/namespaces/mail/deployments?{SELECTOR}": {
        "items": [deployment(name, 2, PROXIED if name == "imap" else ()) for name in NAMES]
    },
    f"/api/v1/namespaces/mail/services?{SELECTOR}": {
        "items": [
            service("yard-mailyard-smtp-in", "smtp-in", [{"ip": "192.0.2.7"}]),
            service("yard-mailyard-smtp-in-lmtp", "smtp-in", None),
            service("yard-mailyard-imap", "imap", [{"hostname": "lb.example"}]),
            service("yard-mailyard-router-http", "router", None),
        ]
    },
}
ZONE = {
    ("example.org", "MX"): [f"10 {HOST}."],
    ("example.org", "TXT"): ['"v=spf1 " "mx -all"', '"other"'],
    ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=none"'],
    ("s1._domainkey.example.org", "TXT"): ['"v=DKIM1; k=rsa; p=abc"'],
    ("1.2.0.192.in-addr.arpa", "PTR"): [f"{HOST}."],
    (HOST, "A"): ["192.0.2.1"],
    ("signed.example", "SOA"): ["ns.signed.example. x.signed.example. 1 2 3 4 5"],
}


SERVERS = ("MAILYARD_MONGO_URL", "MAILYARD_AMQP_URL", "MAILYARD_MONGO_DATABASE")


def check(*arguments, environment=None):
    result = CliRunner().invoke(
        app, ["install-check", *arguments, "--json"], env=environment, prog_name="mailyard"
    )
    lines = json.loads(result.stdout)
    return result.exit_code, lines


def found(lines, area):
    return [(line["level"], line["what"]) for line in lines if line["area"] == area]


@contextmanager
def mail_server():
    """A sink in a thread of its own: the command's own loop is busy."""
    started, stop, address = threading.Event(), threading.Event(), []

    async def serve():
        async with Sink(Counter()) as sink:
            address.append(f"127.0.0.1:{sink.port}")
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(10)
    try:
        yield address[0]
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def away(monkeypatch, tmp_path):
    """No cluster, no store and no local mode."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    for name in (*SERVERS, "MAILYARD_HOSTNAME", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_before_a_good_cluster_in_good_surroundings_has_no_errors(tmp_path):
    with (
        fake_cluster(ANSWERS, frozenset()) as url,
        fake_dns(ZONE, validates=True) as resolver,
        mail_server() as outside,
    ):
        status, lines = check(
            "before",
            f"--kubeconfig={kubeconfig(tmp_path, url)}",
            "--namespace=mail",
            f"--host={HOST}",
            "--domain=example.org",
            "--dkim-selector=s1",
            f"--resolver={resolver}",
            "--signed-name=signed.example",
            f"--probe-host={outside}",
            "--outgoing=192.0.2.1",
        )
    assert (status, [line for line in lines if line["level"] == "error"]) == (0, [])
    assert found(lines, "cluster")[0] == ("ok", "Kubernetes 1.34")
    assert [what for level, what in found(lines, "cluster") if level == "warning"] == [
        "prometheus-operator is not installed",
        "cert-manager is not installed",
        "Gateway API is not installed",
    ]
    assert found(lines, "rights") == [("ok", "all objects of the chart may be created in mail")]
    assert found(lines, "pod security")[0][0] == "ok"
    assert found(lines, "nodes") == [("ok", "5.5 CPU and 13312 MiB are free on 2 node(s)")]
    assert found(lines, "storage") == [("ok", "default storage class fast (csi.example), volumes can grow")]
    assert found(lines, "load balancer")[0][0] == found(lines, "clock")[0][0] == "ok"
    assert found(lines, "port 25 out")[0][1].startswith(f"{outside} greets: 220 {NAME} ")
    assert found(lines, "reverse DNS") == [("ok", f"192.0.2.1 is {HOST}, which resolves to it")]
    assert found(lines, "resolver") == [("ok", "the resolver validates DNSSEC (signed.example)")]
    assert [level for level, _ in found(lines, "DNS records")] == ["ok"] * 5


def test_before_what_is_wrong_is_an_error_with_an_instruction_and_ends_with_status_1(tmp_path):
    zone = {("example.org", "MX"): ["10 mail.other.org."], ("1.2.0.192.in-addr.arpa", "PTR"): ["x.example."]}
    with (
        fake_cluster(ANSWERS, frozenset({"secrets", "scaledobjects"}), ahead=120) as url,
        fake_dns(zone, validates=False) as resolver,
    ):
        closed = f"127.0.0.1:{free_port()}"
        status, lines = check(
            "before",
            f"--kubeconfig={kubeconfig(tmp_path, url)}",
            "--namespace=mail",
            "--requests-cpu=6",
            f"--host={HOST}",
            "--domain=example.org",
            f"--resolver={resolver}",
            "--signed-name=example.org",
            f"--probe-host={closed}",
            "--outgoing=192.0.2.1",
        )
    errors = {line["area"]: line for line in lines if line["level"] == "error"}
    assert status == 1
    assert set(errors) == {"rights", "nodes", "clock", "port 25 out", "reverse DNS", "DNS records"}
    assert all(line["instruction"] for line in errors.values())
    assert errors["rights"]["what"] == "not allowed in mail: create secrets, scaledobjects.keda.sh"
    assert errors["DNS records"]["what"] == f"mail for example.org goes to mail.other.org, and not to {HOST}"
    assert found(lines, "resolver") == [("warning", "the resolver does not validate DNSSEC (example.org)")]


def test_ways_out_that_were_seen_from_outside_the_cluster_are_said_to_be(away, monkeypatch):
    asked = ["before", f"--resolver=127.0.0.1:{free_port()}", "--signed-name=."]
    monkeypatch.setattr("mailyard.cli.installcheck.facts.names.SECONDS", 0.3)
    [line] = [line for line in check(*asked)[1] if line["area"] == "way out"]
    assert line["level"] == "unknown"
    assert " run install-check " in line["instruction"]
    _, lines = check(*asked, environment={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert found(lines, "way out") == []


def test_a_dns_that_does_not_answer_is_asked_for_one_domain_only(away, monkeypatch):
    monkeypatch.setattr("mailyard.cli.installcheck.facts.names.SECONDS", 0.3)
    domains = [f"--domain={name}.example" for name in "abc"]
    status, lines = check("before", f"--resolver=127.0.0.1:{free_port()}", *domains)
    assert status == 0
    [(_, first), (_, rest)] = found(lines, "DNS records")
    assert first == "the DNS gives no answer for MX of a.example"
    assert rest == "2 more domain(s) were not looked at"


def test_where_nothing_can_be_seen_everything_is_unknown_and_nothing_an_error(away):
    status, lines = check("after")
    assert status == 0
    assert {line["level"] for line in lines} == {"unknown"}
    assert [line["area"] for line in lines] == [
        "cluster", "listeners", "port 25 out", "reverse DNS", "resolver", "store",
    ]  # fmt: skip


def test_a_keda_that_is_too_old_is_reported(tmp_path, away):
    operator = {"metadata": {"labels": {"app.kubernetes.io/version": "2.19.1"}}}
    path = "/apis/apps/v1/deployments?labelSelector=app.kubernetes.io/name%3Dkeda-operator"
    with fake_cluster({**ANSWERS, path: {"items": [operator]}}, frozenset()) as url:
        _, lines = check("before", f"--kubeconfig={kubeconfig(tmp_path, url)}")
    assert ("warning", "KEDA 2.19 is too old") in found(lines, "cluster")


def test_an_api_that_refuses_us_is_unknown(tmp_path, away):
    with fake_cluster(ANSWERS, frozenset()) as url:
        status, lines = check("before", f"--kubeconfig={kubeconfig(tmp_path, url, 'wrong')}")
    assert status == 0
    assert found(lines, "cluster") == [("unknown", "the Kubernetes API refuses /version: 401 Unauthorized")]


def test_after_the_release_is_looked_at(tmp_path, away):
    port = free_port()
    with fake_cluster(ANSWERS, frozenset()) as url:
        _, lines = check(
            "after",
            f"--kubeconfig={kubeconfig(tmp_path, url)}",
            "--namespace=mail",
            "--release=yard",
            f"--listener=smtp=127.0.0.1:{port}",
        )
    assert found(lines, "services") == [("ok", f"{name}: 2 of 2 pods are ready") for name in NAMES]
    assert found(lines, "front doors") == [
        ("ok", "yard-mailyard-smtp-in has the address 192.0.2.7"),
        ("warning", "yard-mailyard-smtp-in may show nodes' addresses instead of clients'"),
        ("ok", "yard-mailyard-imap has the address lb.example"),
        ("ok", "yard-mailyard-imap gets clients' addresses from PROXY headers"),
    ]
    assert found(lines, "port 25 in") == [
        ("error", f"127.0.0.1:{port} cannot be reached: [Errno 111] Connection refused")
    ]


def test_in_the_toolbox_the_releases_listeners_are_looked_at_and_what_a_pod_cannot_see_has_its_command(away):
    with mail_server() as address:
        _, lines = check(
            "after",
            environment={
                "KUBERNETES_SERVICE_HOST": "10.0.0.1",
                "MAILYARD_HOSTNAME": HOST,
                "MAILYARD_INSTALL_CHECK_NAMESPACE": "post",
                "MAILYARD_INSTALL_CHECK_RELEASE": "yard",
                "MAILYARD_INSTALL_CHECK_LISTENERS": f"smtp={address} submission={address}",
            },
        )
    assert found(lines, "port 25 in") == [
        ("unknown", "it is unknown whether port 25 is open from outside the cluster"),
        ("warning", f"{address} greets as another host: 220 {NAME} ESMTP ready"),
    ]
    assert [what.partition(" offers ")[0] for _, what in found(lines, "certificates")] == [
        f"smtp at {address}",
        f"submission at {address}",
    ]
    advice = [line["instruction"] for line in lines if line["area"] in ("cluster", "port 25 in")][:2]
    command = f"mailyard install-check after --namespace post --release yard --host {HOST}"
    assert advice == [f"On a machine outside where kubectl works, run: {command}"] * 2


def test_where_no_host_is_named_it_is_the_releases(tmp_path, away):
    named = [{"name": "MAILYARD_HOSTNAME", "value": HOST}]
    path = f"/apis/apps/v1/namespaces/mail/deployments?{SELECTOR}"
    answers = {**ANSWERS, path: {"items": [deployment("smtp-in", 1, named)]}}
    with fake_cluster(answers, frozenset()) as url, mail_server() as address:
        _, lines = check(
            "after",
            f"--kubeconfig={kubeconfig(tmp_path, url)}",
            "--namespace=mail",
            "--release=yard",
            f"--listener=smtp={address}",
        )
    assert found(lines, "port 25 in") == [
        ("warning", f"{address} greets as another host: 220 {NAME} ESMTP ready"),
    ]


def test_a_store_that_is_named_and_unreachable_is_an_error(away):
    environment = {"MAILYARD_MONGO_URL": f"mongodb://127.0.0.1:{free_port()}/"}
    status, lines = check("after", environment=environment)
    assert status == 1
    [(level, what)] = found(lines, "store")
    assert (level, what.startswith("MongoDB is unreachable: ")) == ("error", True)


def test_the_table_has_each_instruction_below_its_finding(away):
    shown = CliRunner().invoke(app, ["install-check", "before"], prog_name="mailyard")
    lines = [line.strip() for line in shown.stdout.splitlines()]
    below = lines.index("-> Name a mail server in --probe-host HOST:25.")
    assert lines[below - 1].split(maxsplit=4) == [
        "port",
        "25",
        "out",
        "unknown",
        "it is unknown whether outgoing port 25 is open",
    ]
    assert lines[-1] == "0 ok, 0 warning, 0 error, 4 unknown"


def test_an_address_that_is_none_is_wrong_usage():
    refused = CliRunner().invoke(app, ["install-check", "before", "--outgoing=mail"], prog_name="mailyard")
    assert (refused.exit_code, "'mail' does not appear to be an IPv4 or IPv6" in refused.stderr) == (2, True)


def test_rights_are_asked_for_all_that_the_chart_makes():
    texts = [path.read_text() for path in (CHART / "templates").rglob("*.yaml")]
    kinds = {kind for text in texts for kind in re.findall(r"^kind: (\w+)$", text, re.MULTILINE)}
    asked = {resource for _, resource in (*RESOURCES, *OPTIONAL)}
    assert {f"{kind.lower()}s".replace("policys", "policies") for kind in kinds} <= asked


def test_a_listener_of_no_kind_is_wrong_usage():
    refused = CliRunner().invoke(app, ["install-check", "after", "--listener=pop3=a:1"], prog_name="mailyard")
    assert refused.exit_code == 2
    assert "does not begin with one of smtp, submission" in refused.stderr
