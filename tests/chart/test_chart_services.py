"""The six services: the same objects for each, and settings that the services take."""

from pathlib import Path

import pytest
import yaml

from mailyard.runtime.settings import CommonSettings, settings_class
from tests.chart.render import CHART, SERVICES, Objects, environment, render

PER_SERVICE = ("Deployment", "PodDisruptionBudget", "ServiceAccount", "NetworkPolicy", "ScaledObject")


@pytest.mark.parametrize("kind", PER_SERVICE)
def test_every_service_has_one_of_each_kind(overlay: Objects, kind: str):
    assert set(SERVICES) <= set(overlay.of(kind))


def test_every_service_has_a_service_for_health_and_metrics(overlay: Objects):
    ports = {
        name: each["spec"]["ports"] for name, each in overlay.of("Service").items() if name.endswith("-http")
    }
    assert ports == {
        f"{name}-http": [{"name": "http", "port": 9100, "targetPort": "http"}] for name in SERVICES
    }


def test_production_has_a_pod_monitor_for_every_service(production: Objects):
    assert set(production.of("PodMonitor")) == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_takes_all_settings_that_its_pods_give_it(
    overlay: Objects, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = settings_given_to(overlay, service, tmp_path, monkeypatch)
    assert settings.http_port == 9100
    assert settings.drain_seconds > 0


def settings_given_to(
    objects: Objects, service: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> CommonSettings:
    """Load a service's settings as its pod would; secrets' files are elsewhere here."""
    for name, value in environment(objects.container("Deployment", service)).items():
        text = value if value is not None else "some-pod"
        if name.endswith("_URL_FILE"):
            path = folder / name
            path.write_text("amqp://broker" if "AMQP" in name else "mongodb://store")
            text = str(path)
        monkeypatch.setenv(name, text)
    return settings_class(service)()


def test_smtp_in_listens_where_its_ports_are(trial: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = settings_given_to(trial, "smtp-in", tmp_path, monkeypatch).model_dump()
    ports = {
        each["name"]: each["containerPort"] for each in trial.container("Deployment", "smtp-in")["ports"]
    }
    assert ports == {"http": 9100, "smtp": 2525, "submission": 2587, "submissions": 2465, "lmtp": 2424}
    assert settings["mx_listen"] == ("0.0.0.0:2525",)
    assert settings["submission_listen"] == ("0.0.0.0:2587",)
    assert settings["submissions_listen"] == ("0.0.0.0:2465",)
    assert settings["lmtp_listen"] == ("0.0.0.0:2424",)


def test_imap_listens_where_its_ports_are(trial: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = settings_given_to(trial, "imap", tmp_path, monkeypatch).model_dump()
    ports = {each["name"]: each["containerPort"] for each in trial.container("Deployment", "imap")["ports"]}
    assert ports == {"http": 9100, "imap": 2143, "imaps": 2993}
    assert (settings["listen"], settings["tls_listen"]) == (("0.0.0.0:2143",), ("0.0.0.0:2993",))


def test_listeners_take_ipv6_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    objects = render("trial", "listenAddress=[::]")
    settings = settings_given_to(objects, "imap", tmp_path, monkeypatch).model_dump()
    assert settings["listen"] == ("[::]:2143",)
    assert settings["http_host"] == "::"


def test_settings_of_the_values_reach_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    objects = render(
        "trial",
        "services.smtp-in.settings.messageSize=104857600",
        "services.smtp-in.settings.argon2MemoryKib=65536",
        "services.smtp-in.settings.bareNewline=repair",
        "services.smtp-in.settings.logLevel=debug",
    )
    settings = settings_given_to(objects, "smtp-in", tmp_path, monkeypatch).model_dump()
    assert settings["message_size"] == 104857600
    assert settings["argon2_memory_kib"] == 65536
    assert settings["bare_newline"] == "repair"
    assert settings["log_level"] == "debug"


def test_routes_of_the_values_stand_beside_the_canarys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    objects = render(
        "production",
        r"services.relay.settings.routes.example\.net=smtp://mx.example.net:25",
        "services.relay.settings.resolvers={192.0.2.1,192.0.2.2}",
    )
    settings = settings_given_to(objects, "relay", tmp_path, monkeypatch).model_dump()
    assert settings["routes"] == {
        "example.net": "smtp://mx.example.net:25",
        "echo.mail.example.org": "smtp://mailyard-sink.post.svc:25",
    }
    assert settings["resolvers"] == ["192.0.2.1", "192.0.2.2"]
    assert settings["own_names"] == ["mail.example.org"]
    assert settings["next_hop"] is None


def test_a_trial_sends_all_mail_to_the_sink(trial: Objects):
    given = environment(trial.container("Deployment", "relay"))
    assert given["MAILYARD_RELAY_NEXT_HOP"] == "smtp://mailyard-sink.post.svc:25"


def test_tracing_goes_to_the_collector_of_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    objects = render("trial", "tracing.endpoint=http://collector.watch:4318", "tracing.sampleRatio:=0.5")
    settings = settings_given_to(objects, "router", tmp_path, monkeypatch)
    assert settings.tracing_endpoint == "http://collector.watch:4318"
    assert settings.tracing_sample_ratio == 0.5


def test_images_come_from_the_registry_of_the_values_by_tag_and_digest():
    digest = f"sha256:{'0a' * 32}"
    objects = render(
        "trial",
        "image.registry=registry.example.org/mail",
        "image.tag=stable",
        f"image.digests.imap={digest}",
    )
    found = {name: objects.container("Deployment", name)["image"] for name in ("imap", "relay")}
    assert found == {
        "imap": f"registry.example.org/mail/mailyard/imap:stable@{digest}",
        "relay": "registry.example.org/mail/mailyard/relay:stable",
    }


def test_what_runs_has_the_version_of_the_chart_where_no_tag_is_said(trial: Objects):
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    images = {
        container["image"]
        for pod in trial.pods().values()
        for container in pod["containers"]
        if container["image"].startswith("mailyard/")
    }
    assert images == {f"mailyard/{name}:{version}" for name in (*SERVICES, "toolbox")}


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_stops_within_its_grace_period(overlay: Objects, service: str):
    pod = overlay.pod("Deployment", service)
    container = pod["containers"][0]
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drain = float(environment(container)["MAILYARD_DRAIN_SECONDS"] or 0)
    assert drain >= 5
    assert pause + drain < pod["terminationGracePeriodSeconds"]


def test_only_services_with_clients_wait_before_they_stop(trial: Objects):
    waiting = {name for name in SERVICES if "lifecycle" in trial.container("Deployment", name)}
    assert waiting == {"smtp-in", "imap"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_new_pod_is_ready_before_an_old_one_goes(trial: Objects, service: str):
    assert trial.of("Deployment")[service]["spec"]["strategy"]["rollingUpdate"] == {
        "maxUnavailable": 0,
        "maxSurge": 1,
    }
    container = trial.container("Deployment", service)
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_pods_start_anew_when_their_connections_change():
    def checksums(*settings: str) -> set[str]:
        objects = render("production", *settings)
        return {
            objects.of("Deployment")[name]["spec"]["template"]["metadata"]["annotations"][
                "checksum/connections"
            ]
            for name in SERVICES
        }

    before = checksums()
    assert len(before) == 1
    assert checksums("connections.existingSecret=others") != before
    assert checksums("services.imap.replicas=7") == before


def test_pods_do_not_change_with_the_charts_version(trial: Objects):
    for kind in ("Deployment", "StatefulSet"):
        for each in trial.of(kind).values():
            assert set(each["spec"]["template"]["metadata"]["labels"]) == {
                "app.kubernetes.io/name",
                "app.kubernetes.io/instance",
                "app.kubernetes.io/component",
                "app.kubernetes.io/part-of",
            }


def test_rules_of_the_filter_are_a_file_that_it_looks_at():
    objects = render("trial", "filterRules=version = 1")
    assert objects.of("ConfigMap")["filter"]["data"] == {"rules.toml": "version = 1\n"}
    container = objects.container("Deployment", "filter")
    assert environment(container)["MAILYARD_FILTER_RULES"] == "/etc/mailyard/filter/rules.toml"
    assert "/etc/mailyard/filter" in [each["mountPath"] for each in container["volumeMounts"]]


def test_logins_for_next_hops_come_as_a_file():
    container = render("trial", "relayCredentials.existingSecret=hops").container("Deployment", "relay")
    assert environment(container)["MAILYARD_RELAY_CREDENTIALS_FILE"] == "/etc/mailyard/relay/credentials"


@pytest.mark.parametrize("overlay", ["trial", "production"])
def test_relay_may_wait_for_the_answer_to_the_end_of_a_message_before_it_is_killed(overlay: str):
    drain = int(environment(render(overlay).container("Deployment", "relay"))["MAILYARD_DRAIN_SECONDS"] or 0)
    final_seconds, total_seconds_before = 600, 60
    assert drain * (1 - 0.2) >= final_seconds + total_seconds_before
