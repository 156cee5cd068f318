"""The autoscalers, and the metrics that they scale on."""

import pytest

from mailyard.broker.pipeline import STAGES, Queue, stages_of
from mailyard.runtime.catalogue import collect
from tests.chart.quantities import millicores, octets
from tests.chart.render import APIS, OVERLAYS, SERVICES, WORKLOADS, Object, Objects, pod_spec, render

QUEUES = {
    "router": {Queue.SMTP_IN_ROUTE},
    "filter": {Queue.LOCAL_FILTER, Queue.REMOTE_FILTER},
    "delivery": {Queue.LOCAL_DELIVER},
    "relay": {Queue.REMOTE_SEND},
}
WITHOUT_KEDA = tuple(api for api in APIS if not api.startswith("keda.sh"))


def test_every_stage_of_the_pipeline_scales_the_service_that_works_for_it():
    assert {service: {stage.queue for stage in stages_of(service)} for service in QUEUES} == QUEUES
    assert {stage.service for stage in STAGES} == set(QUEUES)


def readings(objects: Objects, service: str) -> list[tuple[str, str, str, str]]:
    """Value, kind of target, target and address of each trigger that reads metrics."""
    return [
        (
            each["metadata"]["valueLocation"],
            each["metricType"],
            each["metadata"]["targetValue"],
            each["metadata"]["url"],
        )
        for each in objects.of("ScaledObject")[service]["spec"]["triggers"]
        if each["type"] == "metrics-api"
    ]


@pytest.mark.parametrize("service", sorted(QUEUES))
def test_services_with_a_queue_scale_on_its_mails_and_their_age(trial: Objects, service: str):
    router = "http://mailyard-router-http.post.svc:9100/metrics"
    expected = []
    for queue in sorted(QUEUES[service]):
        expected.append((f'mailyard_queue_depth_mails{{queue="{queue}"}}', "AverageValue", "500", router))
        expected.append((f'mailyard_queue_oldest_seconds{{queue="{queue}"}}', "Value", "15", router))
    assert readings(trial, service) == expected


@pytest.mark.parametrize(
    ("service", "listeners"), [("smtp-in", ["mx", "submission", "submissions"]), ("imap", ["imap", "imaps"])]
)
def test_front_doors_scale_on_the_connections_of_all_their_pods_and_on_cpu(
    production: Objects, service: str, listeners: list[str]
):
    metric = f"mailyard_{service.replace('-', '_')}_open_connections"
    triggers = production.of("ScaledObject")[service]["spec"]["triggers"]
    assert [each["metadata"].get("valueLocation") for each in triggers[:-1]] == [
        f'{metric}{{listener="{listener}"}}' for listener in listeners
    ]
    for each in triggers[:-1]:
        assert each["metadata"]["aggregationType"] == "sum"
        assert each["metadata"]["aggregateFromKubeServiceEndpoints"] == "true"
        assert each["metadata"]["url"] == f"http://mailyard-{service}-http.post.svc:9100/metrics"
    assert triggers[-1] == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}


def test_every_metric_that_scales_is_declared(overlay: Objects):
    names = {value.partition("{")[0] for name in SERVICES for value, *_ in readings(overlay, name)}
    assert names <= collect().metrics.keys()
    assert len(names) == 4


@pytest.mark.parametrize("service", SERVICES)
def test_a_scaled_deployment_says_no_number_of_pods(overlay: Objects, service: str):
    assert "replicas" not in overlay.of("Deployment")[service]["spec"]
    spec = overlay.of("ScaledObject")[service]["spec"]
    assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"


def test_without_keda_cpu_scales():
    objects = render("production", apis=WITHOUT_KEDA)
    assert objects.of("ScaledObject") == {}
    scalers = objects.of("HorizontalPodAutoscaler")
    assert set(scalers) == set(SERVICES)
    (metric,) = scalers["filter"]["spec"]["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}


def test_where_cpu_is_all_that_scales_its_percentage_is_a_value():
    objects = render(
        "production",
        "services.filter.autoscaling.cpu.percentWithoutKeda=55",
        "services.imap.autoscaling.cpu.percentWithoutKeda=55",
        apis=WITHOUT_KEDA,
    )
    assert {name: cpu_percent(objects, name) for name in ("filter", "imap", "relay")} == {
        "filter": 55,
        "imap": 60,
        "relay": 70,
    }


def cpu_percent(objects: Objects, service: str) -> int | None:
    """Utilization above which a service's scaler wants more pods; None where it does not look."""
    if scaled := objects.of("HorizontalPodAutoscaler").get(service):
        target: int = scaled["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"]
        return target
    triggers = objects.of("ScaledObject")[service]["spec"]["triggers"]
    return next((int(each["metadata"]["value"]) for each in triggers if each["type"] == "cpu"), None)


def requests(objects: Objects, service: str) -> dict[str, str]:
    found: dict[str, str] = objects.container("Deployment", service)["resources"]["requests"]
    return found


@pytest.mark.parametrize("apis", [APIS, WITHOUT_KEDA], ids=["keda", "hpa"])
@pytest.mark.parametrize("name", sorted(OVERLAYS))
def test_a_pod_that_idles_asks_for_no_other(name: str, apis: tuple[str, ...]):
    objects = render(name, apis=apis)
    from_millicores = {
        service: millicores(requests(objects, service)["cpu"]) * percent / 100
        for service in SERVICES
        if (percent := cpu_percent(objects, service))
    }
    assert {"imap", "smtp-in"} <= set(from_millicores)
    assert {service: found for service, found in from_millicores.items() if found < 75} == {}


def test_the_cpu_of_a_start_is_over_before_front_doors_count_it(overlay: Objects):
    for service in ("smtp-in", "imap"):
        behaviour = overlay.of("ScaledObject")[service]["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
        assert behaviour["behavior"]["scaleUp"]["stabilizationWindowSeconds"] >= 30, service


def test_where_nothing_scales_the_number_of_pods_is_as_said():
    objects = render("production", "autoscaling.mode=none", "services.imap.replicas=7")
    assert objects.of("ScaledObject") == objects.of("HorizontalPodAutoscaler") == {}
    assert objects.of("Deployment")["imap"]["spec"]["replicas"] == 7


def test_one_service_may_be_left_out():
    objects = render("production", "services.relay.autoscaling.enabled=false")
    assert set(objects.of("ScaledObject")) == set(SERVICES) - {"relay"}
    assert objects.of("Deployment")["relay"]["spec"]["replicas"] == 2


def test_clients_of_imap_are_not_sent_away_in_haste(production: Objects):
    spec = production.of("ScaledObject")["imap"]["spec"]
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleDown"] == {
        "stabilizationWindowSeconds": 900,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }


def test_a_trial_fits_where_it_says_even_when_all_of_it_has_scaled_out(trial: Objects):
    def asked(container: Object, pods: int) -> tuple[int, int]:
        amounts = container["resources"]["requests"]
        return millicores(amounts["cpu"]) * pods, octets(amounts["memory"]) * pods

    most = {name: each["spec"]["maxReplicaCount"] for name, each in trial.of("ScaledObject").items()}
    all_asked = [
        asked(container, most.get(each["metadata"]["name"].removeprefix("mailyard-"), 1))
        for each in trial
        if each["kind"] in WORKLOADS
        for container in pod_spec(each)["containers"]
    ]
    assert sum(cpu for cpu, _ in all_asked) <= 2000
    assert sum(memory for _, memory in all_asked) <= 3 * 2**30
