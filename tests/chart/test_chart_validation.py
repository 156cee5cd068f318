"""Values that cannot work together are refused, with advice."""

import pytest

from tests.chart.render import APIS, Refused, render

PRODUCTION = "production"


def refusal(
    overlay: str, *settings: str, apis: tuple[str, ...] = APIS, release: str = "mailyard"
) -> list[str]:
    """The problems that Helm reports."""
    with pytest.raises(Refused) as refused:
        render(overlay, *settings, apis=apis, release=release)
    text = str(refused.value)
    assert "These values cannot work together" in text
    return [line.strip().removeprefix("- ") for line in text.splitlines() if line.startswith("  - ")]


def test_all_problems_are_reported_at_once_with_advice():
    assert refusal("none", "hostname=") == [
        "hostname is not set. Set it to the name that your MX records will have, such as mail.example.org.",
        (
            "the address of RabbitMQ is not known. Set connections.existingSecret (keys amqp-url, mongo-url), "
            "connections.amqpUrl or connections.rabbitmqCluster.name; for a trial, trial.rabbitmq.enabled."
        ),
        (
            "the address of MongoDB is not known. Set connections.existingSecret (keys amqp-url, mongo-url), "
            "connections.mongoUrl, connections.perconaServerMongoDB.name or connections.mongoDBCommunity.name; for a trial, "
            "trial.mongodb.enabled."
        ),
        (
            "the TLS certificate is not known. Without one nobody can log in. Set tls.certManager.enabled with an issuer, "
            "or tls.existingSecret; for a trial, tls.selfSigned.enabled."
        ),
    ]


@pytest.mark.parametrize(
    ("overlay", "settings", "problem"),
    [
        (
            "trial",
            ["connections.amqpUrl=amqp://broker"],
            "the address of RabbitMQ is set more than once, by connections.amqpUrl and trial.rabbitmq.",
        ),
        (
            "trial",
            ["tls.existingSecret=mine"],
            "the TLS certificate is set more than once, by tls.existingSecret and tls.selfSigned.",
        ),
        (PRODUCTION, ["tls.certManager.issuerRef.name="], "tls.certManager.issuerRef.name is not set."),
        (
            "trial",
            ["frontDoors.proxyProtocol.enabled=true"],
            "frontDoors.proxyProtocol.networks is empty.",
        ),
        (
            "trial",
            ["frontDoors.proxyProtocol.networks={10.0.0.0/24}"],
            "frontDoors.proxyProtocol.networks is set, but frontDoors.proxyProtocol.enabled is not.",
        ),
        (
            "trial",
            ["frontDoors.proxyProtocol.enabled=true", "frontDoors.proxyProtocol.networks={0.0.0.0/0}"],
            "frontDoors.proxyProtocol.networks: 0.0.0.0/0 means every address,",
        ),
        (
            PRODUCTION,
            ["frontDoors.smtpIn.externalTrafficPolicy=Cluster"],
            "frontDoors.smtpIn: with externalTrafficPolicy Cluster the clients' addresses are lost,",
        ),
        (
            PRODUCTION,
            ["frontDoors.imap.externalTrafficPolicy=Cluster"],
            "frontDoors.imap: with externalTrafficPolicy Cluster the clients' addresses are lost,",
        ),
        ("trial", ["frontDoors.gateway.enabled=true"], "frontDoors.gateway.parentRefs is empty."),
        (
            "trial",
            ["services.filter.autoscaling.minReplicas=5"],
            "services.filter.autoscaling: minReplicas 5 is above maxReplicas 3.",
        ),
        (
            "trial",
            [
                "services.imap.extraEnv[0].name=MAILYARD_IMAP_LISTEN",
                "services.imap.extraEnv[0].value=0.0.0.0:1430",
            ],
            "services.imap.extraEnv: the chart sets MAILYARD_IMAP_LISTEN itself.",
        ),
        (
            "trial",
            ["setup.tenants[0].accounts[0].address=anna@elsewhere.test"],
            "setup.tenants: the tenant trial has an account anna@elsewhere.test, but not its domain.",
        ),
        (
            "trial",
            [
                "setup.tenants[0].accounts[0].address=a+b@alpha.test",
                "setup.tenants[0].accounts[1].address=a_b@alpha.test",
            ],
            "setup.tenants: the passwords of a+b@alpha.test and a_b@alpha.test would be kept under one key,",
        ),
        (
            "trial",
            ["canary.account=canary@alpha.test"],
            "setup.tenants: the domain alpha.test would belong to the tenants trial and canary.",
        ),
        (PRODUCTION, ["sink.enabled=false"], "canary.echo needs the sink, which sends its mail back."),
        (PRODUCTION, ["canary.createAccount=false"], "canary.createAccount is false,"),
        (
            PRODUCTION,
            ["sink.enabled=false", "sink.catchAll=true", "canary.echo=false"],
            "sink.catchAll needs the sink.",
        ),
        (
            "trial",
            ["services.relay.settings.nextHop=smtp://elsewhere:25"],
            "sink.catchAll and services.relay.settings.nextHop both say where all mail goes.",
        ),
        (
            PRODUCTION,
            [
                "connections.existingSecret=",
                "connections.amqpUrl=amqp://b",
                "connections.mongoDBCommunity.name=store",
            ],
            "connections.mongoDBCommunity.connectionStringSecret is not set.",
        ),
        (
            PRODUCTION,
            [
                "connections.existingSecret=",
                "connections.amqpUrl=amqp://b",
                "connections.perconaServerMongoDB.name=store",
            ],
            "the users of the PerconaServerMongoDB store cannot be seen.",
        ),
        (
            PRODUCTION,
            [
                "connections.existingSecret=",
                "connections.amqpUrl=amqps://mail:5673@broker:5674/mail",
                "connections.mongoUrl=mongodb://a:b@store-0:27017\\,store-1:27017/?replicaSet=rs0",
            ],
            "networkPolicies.rabbitmqPorts has no 5674, the port in connections.amqpUrl:",
        ),
        (
            PRODUCTION,
            [
                "connections.existingSecret=",
                "connections.amqpUrl=amqp://broker/",
                "connections.mongoUrl=mongodb://store-0\\,store-1:27018/?replicaSet=rs0",
            ],
            "networkPolicies.mongodbPorts has no 27018, the port in connections.mongoUrl:",
        ),
    ],
)
def test_what_cannot_work_is_refused(overlay: str, settings: list[str], problem: str):
    (text,) = refusal(overlay, *settings)
    assert text.startswith(problem)
    assert text.removeprefix(problem).strip(), "it says what to do"


@pytest.mark.parametrize(
    ("settings", "api"),
    [
        (["autoscaling.mode=keda"], "keda.sh/v1alpha1"),
        (
            ["frontDoors.gateway.enabled=true", "frontDoors.gateway.parentRefs[0].name=edge"],
            "gateway.networking.k8s.io/v1",
        ),
        (["monitoring.podMonitor.enabled=true"], "monitoring.coreos.com/v1"),
        (["monitoring.rules.enabled=true"], "monitoring.coreos.com/v1"),
        (["monitoring.dashboards.grafanaOperator.enabled=true"], "grafana.integreatly.org/v1beta1"),
        (
            [
                "tls.selfSigned.enabled=false",
                "tls.certManager.enabled=true",
                "tls.certManager.issuerRef.name=ca",
            ],
            "cert-manager.io/v1",
        ),
        (["trial.rabbitmq.enabled=false", "connections.rabbitmqCluster.name=broker"], "rabbitmq.com/v1beta1"),
        (
            [
                "trial.mongodb.enabled=false",
                "connections.mongoDBCommunity.name=store",
                "connections.mongoDBCommunity.connectionStringSecret=store-admin-mailyard",
            ],
            "mongodbcommunity.mongodb.com/v1",
        ),
    ],
)
def test_objects_that_the_cluster_does_not_know_are_refused(settings: list[str], api: str):
    others = tuple(each for each in APIS if each != api)
    (text,) = refusal("trial", *settings, apis=others)
    assert f"add --api-versions {api}." in text
    render("trial", *settings)


def test_a_balancer_that_passes_addresses_by_the_proxy_protocol_may_hide_them():
    render(
        PRODUCTION,
        "frontDoors.smtpIn.externalTrafficPolicy=Cluster",
        "frontDoors.imap.externalTrafficPolicy=Cluster",
        "frontDoors.proxyProtocol.enabled=true",
        "frontDoors.proxyProtocol.networks={10.0.0.0/24}",
    )


def test_databases_may_have_any_port_that_the_policies_know_or_where_there_are_none():
    moved = ["connections.existingSecret=", "connections.amqpUrl=amqp://broker:5673/"]
    moved += ["connections.mongoUrl=mongodb://store"]
    render(PRODUCTION, *moved, "networkPolicies.rabbitmqPorts={5673}")
    render(PRODUCTION, *moved, "networkPolicies.enabled=false")


def test_the_canary_may_be_an_account_of_a_tenant():
    objects = render("trial", "canary.account=anna@alpha.test", "canary.createAccount=false")
    args = objects.container("CronJob", "canary")["args"]
    assert args[args.index("--password-file") + 1] == "/etc/mailyard/accounts/anna_at_alpha.test"


def test_a_release_whose_name_is_too_long_is_refused():
    (text,) = refusal("trial", release="a" * 22)
    assert text.startswith(f"the release's name {'a' * 22} is too long")
