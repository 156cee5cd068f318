"""ScaledObjects as KEDA writes them, and what their triggers' sources export."""

from typing import Any

import pytest

from tests.cluster.scaling import Trigger, exported, faults, triggers

ROUTER = {
    "type": "metrics-api",
    "metadata": {
        "url": "http://mailyard-router-http.mail:9100/metrics",
        "valueLocation": 'mailyard_queue_depth_mails{queue="local.filter"}',
    },
}
OWN = {
    "type": "metrics-api",
    "metadata": {
        "url": "http://mailyard-smtp-in-http.mail.svc.cluster.local:9100/metrics",
        "valueLocation": 'mailyard_smtp_in_open_connections{listener="mx"}',
        "aggregateFromKubeServiceEndpoints": "true",
    },
}
DEPTH = Trigger(
    "mailyard-filter",
    "s1-metric-api-depth",
    'mailyard_queue_depth_mails{queue="local.filter"}',
    "router",
    summed=False,
)
CONNECTIONS = Trigger(
    "mailyard-filter",
    "s2-metric-api-mx",
    'mailyard_smtp_in_open_connections{listener="mx"}',
    "smtp-in",
    summed=True,
)
PAGES = [
    """# TYPE mailyard_queue_depth_mails gauge
mailyard_queue_depth_mails{queue="local.filter"} 40.0
mailyard_queue_depth_mails{queue="local.filter.dead"} 9.0
mailyard_smtp_in_open_connections{listener="mx"} 2.0
""",
    """mailyard_queue_depth_mails{queue="local.filter"} 38.0
mailyard_smtp_in_open_connections{listener="mx"} 3.0
""",
]


def scaled_object(**conditions: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "mailyard-filter"},
        "spec": {"triggers": [{"type": "cpu", "metadata": {"value": "70"}}, ROUTER, OWN]},
        "status": {
            "externalMetricNames": ["s1-metric-api-depth", "s2-metric-api-mx"],
            "conditions": [{"type": kind, "status": status} for kind, status in conditions.items()],
        },
    }


def test_a_ready_object_that_is_not_in_fallback_has_no_fault() -> None:
    assert faults([scaled_object(Ready="True", Fallback="False")]) == []


@pytest.mark.parametrize(
    ("conditions", "fault"),
    [
        ({"Ready": "False", "Fallback": "False"}, "mailyard-filter is not Ready"),
        ({"Ready": "True", "Fallback": "True"}, "mailyard-filter is in fallback"),
        ({}, "mailyard-filter is not Ready"),
    ],
)
def test_what_is_wrong_with_an_object_is_said_with_its_name(conditions: dict[str, str], fault: str) -> None:
    assert faults([scaled_object(**conditions)]) == [fault]


def test_every_trigger_that_reads_a_page_is_found_by_its_place_among_all_triggers() -> None:
    assert triggers([scaled_object()], "mailyard") == [DEPTH, CONNECTIONS]


def test_a_trigger_that_keda_does_not_serve_is_an_error_and_not_left_out() -> None:
    one = scaled_object()
    one["status"]["externalMetricNames"] = ["s1-metric-api-depth"]
    with pytest.raises(LookupError, match="mailyard-filter has no external metric for its trigger 2"):
        triggers([one], "mailyard")


def test_a_location_that_is_no_single_sample_is_an_error_and_not_left_out() -> None:
    one = scaled_object()
    one["spec"]["triggers"].append({"type": "metrics-api", "metadata": {"valueLocation": "mailyard_up"}})
    with pytest.raises(ValueError, match="reads 'mailyard_up', which is not one sample"):
        triggers([one], "mailyard")


def test_any_routers_word_on_a_queue_counts_and_connections_are_added_up() -> None:
    assert exported(PAGES, DEPTH) == [40.0, 38.0]
    assert exported(PAGES, CONNECTIONS) == [5.0]


def test_what_no_page_holds_is_not_exported() -> None:
    assert exported(["mailyard_other 1.0\n"], DEPTH) == []
    assert exported([], CONNECTIONS) == []
