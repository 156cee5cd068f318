"""First start and upgrades: setup, accounts, toolbox, canary and certificate."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from mailyard.cli.setup.plan import Plan, read_plan
from tests.chart.render import Object, Objects, environment, render


def setup_jobs(objects: Objects) -> dict[str, Object]:
    return {name: job for name, job in objects.of("Job").items() if name.startswith("setup-")}


def setup_file(objects: Objects) -> Any:
    return yaml.safe_load(objects.of("ConfigMap")["setup"]["data"]["setup.yaml"])


def test_an_install_runs_setup_beside_the_databases_it_waits_for(trial: Objects):
    ((name, job),) = setup_jobs(trial).items()
    assert "annotations" not in job["metadata"]
    assert len(name.removeprefix("setup-")) == 8
    container = trial.container("Job", name)
    assert container["image"] == "mailyard/toolbox:0.3.0"
    assert container["args"] == ["setup", "--wait", "870", "--file", "/etc/mailyard/setup/setup.yaml"]


def test_an_upgrade_runs_setup_before_new_pods_start():
    objects = render("trial", upgrade=True)
    job = objects.of("Job")["setup-upgrade"]
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    assert objects.container("Job", "setup-upgrade")["args"] == ["setup", "--wait", "870"]
    job = objects.of("Job")["setup-upgrade"]["spec"]
    assert job["activeDeadlineSeconds"] >= 12 * 3600, "an index build on a large collection takes hours"


def test_the_hook_needs_nothing_that_the_upgrade_brings():
    objects = render("trial", upgrade=True)
    pod = objects.pod("Job", "setup-upgrade")
    installed = {f"mailyard-{name}" for name in ("connections", "mongodb", "rabbitmq")}  # since 0.1.0
    brought = {
        secret["metadata"]["name"]
        for secret in objects.of("Secret").values()
        if "helm.sh/hook" in secret["metadata"].get("annotations", {})
    }
    assert secrets_of(pod) == {"mailyard-connections", "mailyard-mongodb-users-upgrade"}
    assert secrets_of(pod) <= installed | brought
    assert not any("configMap" in each for each in pod["volumes"])


def secrets_of(pod: Object) -> set[str]:
    """Names of the secrets that a pod has as volumes."""
    volumes = pod["volumes"]
    sources = [source for each in volumes for source in each.get("projected", {}).get("sources", ())]
    return {
        *(each["secret"]["secretName"] for each in volumes if "secret" in each),
        *(source["secret"]["name"] for source in sources),
    }


def test_another_tenant_or_image_is_another_job():
    def name(*settings: str) -> str:
        return next(iter(setup_jobs(render("trial", *settings))))

    assert name("setup.tenants[0].domains={alpha.test,beta.test,gamma.test}") != name()
    assert name("image.tag=another") != name()
    assert name("services.imap.replicas=3") == name()


def test_setup_reads_the_file_and_makes_the_tenants_and_the_canary(trial: Objects):
    plan = Plan.model_validate(setup_file(trial))
    assert [tenant.id for tenant in plan.tenants] == ["trial", "canary"]
    assert [account.address for tenant in plan.tenants for account in tenant.accounts] == [
        "anna@alpha.test",
        "ben@beta.test",
        "canary@canary.mail.mailyard.test",
    ]


def test_aliases_reach_the_file():
    objects = render(
        "trial",
        "setup.tenants[0].aliases[0].address=info@alpha.test",
        "setup.tenants[0].aliases[0].targets={anna@alpha.test,ben@beta.test}",
    )
    (alias,) = setup_file(objects)["tenants"][0]["aliases"]
    assert alias == {"address": "info@alpha.test", "targets": ["anna@alpha.test", "ben@beta.test"]}


def test_contact_status_name_and_quota_reach_the_file(tmp_path: Path):
    objects = render(
        "trial",
        "setup.tenants[0].id=acme",
        "setup.tenants[0].contact=anna@acme.test",
        "setup.tenants[0].status=suspended",
        "setup.tenants[0].domains={acme.test}",
        "setup.tenants[0].accounts[0].address=anna@acme.test",
        "setup.tenants[0].accounts[0].name=Anna",
        "setup.tenants[0].accounts[0].quota=5G",
        "setup.tenants[0].accounts[0].status=disabled",
        "setup.tenants[0].accounts[1].address=ben@acme.test",
        "setup.tenants[0].accounts[1].quota=5000000000",
    )
    file = tmp_path / "setup.yaml"
    file.write_text(yaml.safe_dump(setup_file(objects)))
    tenant = read_plan(file).tenants[0]
    assert (tenant.contact, tenant.status) == ("anna@acme.test", "suspended")
    anna, ben = tenant.accounts[:2]
    assert (anna.name, anna.quota, anna.status) == ("Anna", 5 * 2**30, "disabled")
    assert (ben.name, ben.quota, ben.status) == ("", 5_000_000_000, "active")


def test_the_postmaster_of_the_values_reaches_services_and_toolbox():
    objects = render("trial", "postmaster=ops@provider.test")
    for name in ("smtp-in", "router", "toolbox"):
        assert (
            environment(objects.container("Deployment", name))["MAILYARD_POSTMASTER"] == "ops@provider.test"
        )
    assert "MAILYARD_POSTMASTER" not in environment(render("trial").container("Deployment", "router"))


def test_without_tenants_the_file_asks_for_nothing():
    assert setup_file(render("trial", "setup.tenants=null", "canary.enabled=false")) == {"tenants": []}


def test_every_account_has_a_password_where_setup_looks_for_it(trial: Objects):
    passwords = trial.of("Secret")["accounts"]["stringData"]
    files = [each["passwordFile"] for tenant in setup_file(trial)["tenants"] for each in tenant["accounts"]]
    assert files == [f"/etc/mailyard/accounts/{key}" for key in sorted(passwords)]
    assert set(passwords) == {
        "anna_at_alpha.test",
        "ben_at_beta.test",
        "canary_at_canary.mail.mailyard.test",
    }
    assert all(len(password) == 24 for password in passwords.values())
    assert len(set(passwords.values())) == 3


def test_passwords_of_ones_own_are_used_where_given():
    objects = render("trial", "setup.existingPasswordSecret=mine")
    assert "accounts" not in objects.of("Secret")
    name = next(iter(setup_jobs(objects)))
    (accounts,) = [each for each in objects.pod("Job", name)["volumes"] if each["name"] == "accounts"]
    assert accounts["secret"]["secretName"] == "mine"


def test_connections_of_ones_own_are_used_where_given(production: Objects):
    assert "connections" not in production.of("Secret")
    assert connection_sources(production) == [
        ("mailyard-databases", "amqp-url", "amqp-url"),
        ("mailyard-databases", "mongo-url", "mongo-url"),
    ]


def test_secrets_of_operators_are_used_where_they_are():
    objects = render(
        "production",
        "connections.existingSecret=",
        "connections.rabbitmqCluster.name=broker",
        "connections.mongoDBCommunity.name=store",
        "connections.mongoDBCommunity.connectionStringSecret=store-admin-mailyard",
    )
    assert "connections" not in objects.of("Secret")
    assert connection_sources(objects) == [
        ("broker-default-user", "connection_string", "amqp-url"),
        ("store-admin-mailyard", "connectionString.standard", "mongo-url"),
    ]


def test_an_authority_of_ones_own_is_a_file_beside_the_urls():
    objects = render("production", "connections.authoritySecret=authority", upgrade=True)
    assert connection_sources(objects)[2:] == [("authority", "ca.crt", "ca.crt")]
    volumes = [
        next(each["projected"] for each in pod["volumes"] if each["name"] == "connections")
        for name, pod in objects.pods().items()
        if name != "Deployment mailyard-sink"
    ]
    assert len(volumes) == 11
    assert all(volume == volumes[0] for volume in volumes)


def connection_sources(objects: Objects) -> list[tuple[str, str, str]]:
    (volume,) = [
        each for each in objects.pod("Deployment", "router")["volumes"] if each["name"] == "connections"
    ]
    return [
        (source["secret"]["name"], item["key"], item["path"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    ]


def test_the_canary_of_the_schedule_and_of_helm_test_are_the_same(trial: Objects):
    assert trial.pod("CronJob", "canary") == trial.pod("Pod", "canary-test")
    assert trial.of("Pod")["canary-test"]["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert trial.container("Pod", "canary-test")["args"] == [
        "canary",
        "--submission",
        "mailyard-smtp-in.post.svc:587",
        "--imap",
        "mailyard-imap.post.svc:143",
        "--account",
        "canary@canary.mail.mailyard.test",
        "--password-file",
        "/etc/mailyard/accounts/canary_at_canary.mail.mailyard.test",
        "--tls",
        "starttls",
        "--tls-name",
        "mail.mailyard.test",
        "--ca-file",
        "/etc/mailyard/authority/ca.crt",
        "--echo",
        "echo@echo.mail.mailyard.test",
        "--timeout",
        "60",
        "--record",
    ]


def test_the_canary_may_come_from_outside():
    args = render(
        "production",
        "canary.submission=mail.example.org:465",
        "canary.imap=mail.example.org:993",
        "canary.encryption=implicit",
    ).container("CronJob", "canary")["args"]
    assert args[args.index("--submission") + 1] == "mail.example.org:465"
    assert args[args.index("--imap") + 1] == "mail.example.org:993"
    assert args[args.index("--tls") + 1] == "implicit"
    assert "--ca-file" not in args
    assert "--insecure-tls" not in args


@pytest.mark.parametrize(("echo", "seconds"), [("true", 240), ("false", 150)])
def test_the_canary_has_time_to_report_that_no_mail_came(echo: str, seconds: int):
    objects = render("trial", f"canary.echo={echo}", "canary.timeoutSeconds=90")
    assert objects.of("CronJob")["canary"]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == seconds


def test_the_toolbox_has_the_connections(trial: Objects):
    given = environment(trial.container("Deployment", "toolbox"))
    assert given["MAILYARD_AMQP_URL_FILE"] == "/etc/mailyard/connections/amqp-url"
    assert given["MAILYARD_MONGO_URL_FILE"] == "/etc/mailyard/connections/mongo-url"


def test_the_toolbox_knows_what_install_check_looks_at(trial: Objects):
    given = environment(trial.container("Deployment", "toolbox"))
    prefix = "MAILYARD_INSTALL_CHECK_"
    assert {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)} == {
        "NAMESPACE": "post",
        "RELEASE": "mailyard",
        "LISTENERS": "imap=mailyard-imap.post.svc:143 imaps=mailyard-imap.post.svc:993 smtp=mailyard-smtp-in.post.svc:25"
        " submission=mailyard-smtp-in.post.svc:587 submissions=mailyard-smtp-in.post.svc:465",
        "INNER_DOMAINS": "canary.mail.mailyard.test",
        "CA_FILE": "/etc/mailyard/authority/ca.crt",
    }
    assert given["MAILYARD_HOSTNAME"] == "mail.mailyard.test"


def test_the_toolbox_may_reach_the_listeners_that_it_looks_at(trial: Objects):
    ours = {"app.kubernetes.io/name": "mailyard", "app.kubernetes.io/instance": "mailyard"}
    rules = trial.of("NetworkPolicy")["toolbox"]["spec"]["egress"]
    assert {"to": [{"podSelector": {"matchLabels": ours}}]} in rules


def test_with_a_certificate_that_is_given_install_check_trusts_whom_clients_trust():
    toolbox = render("trial", "tls.selfSigned.enabled=false", "tls.existingSecret=own").container(
        "Deployment", "toolbox"
    )
    assert "MAILYARD_INSTALL_CHECK_CA_FILE" not in environment(toolbox)
    assert "authority" not in [each["name"] for each in toolbox["volumeMounts"]]


def test_a_canary_that_is_a_tenants_account_has_a_domain_with_records():
    objects = render("trial", "canary.account=anna@alpha.test", "canary.createAccount=false")
    assert "MAILYARD_INSTALL_CHECK_INNER_DOMAINS" not in environment(
        objects.container("Deployment", "toolbox")
    )


def test_the_sink_sends_echoes_to_the_mx_listener(trial: Objects):
    assert trial.container("Deployment", "sink")["args"] == [
        "sink",
        "--listen",
        "0.0.0.0:2526",
        "--echo-to",
        "mailyard-smtp-in.post.svc:25",
    ]


def test_the_trials_certificate_is_for_its_host_name_and_signed_by_its_authority(trial: Objects):
    data = {key: base64.b64decode(value) for key, value in trial.of("Secret")["tls"]["data"].items()}
    certificate = x509.load_pem_x509_certificate(data["tls.crt"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mail.mailyard.test", "localhost"]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(data["ca.crt"]))


def test_cert_manager_is_asked_for_all_names():
    objects = render("production", "tls.certManager.dnsNames={smtp.example.org,imap.example.org}")
    spec = objects.of("Certificate")["tls"]["spec"]
    assert spec["dnsNames"] == ["mail.example.org", "smtp.example.org", "imap.example.org"]


def test_the_certificate_holds_the_host_name_of_imap():
    objects = render("production", "frontDoors.imap.hostname=imap.example.org")
    spec = objects.of("Certificate")["tls"]["spec"]
    assert spec["dnsNames"] == ["mail.example.org", "imap.example.org"]
    assert spec["secretName"] == "mailyard-tls"
    assert spec["issuerRef"] == {"name": "letsencrypt", "kind": "ClusterIssuer", "group": "cert-manager.io"}


def test_a_certificate_is_mounted_as_a_folder_so_that_a_new_one_is_seen(overlay: Objects):
    for service in ("smtp-in", "imap"):
        (mount,) = [
            each for each in overlay.container("Deployment", service)["volumeMounts"] if each["name"] == "tls"
        ]
        assert mount == {"name": "tls", "mountPath": "/etc/mailyard/tls", "readOnly": True}
