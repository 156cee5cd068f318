"""Who scales what, on which figures."""

import pytest

from mailyard.broker.topology import Queue
from mailyard.runtime.catalogue import METRICS
from tests.chart.render import APIS, SERVICES, Objects, render

QUEUES = {
    "router": {Queue.SMTP_IN_ROUTE},
    "filter": {Queue.LOCAL_FILTER, Queue.REMOTE_FILTER},
    "delivery": {Queue.LOCAL_DELIVER},
    "relay": {Queue.REMOTE_SEND},
}
WITHOUT_KEDA = tuple(api for api in APIS if not api.startswith("keda.sh"))


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


def test_every_metric_that_scales_is_in_the_catalogue(overlay: Objects):
    names = {value.partition("{")[0] for name in SERVICES for value, *_ in readings(overlay, name)}
    assert names <= set(METRICS)
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
    assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0
