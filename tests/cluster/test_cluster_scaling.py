"""ScaledObjects as KEDA writes them, and the comparison of both sides of a scaler."""

from typing import Any

import pytest

from tests.cluster.scaling import Reading, Trigger, faults, matches, triggers


def scaled_object(**conditions: str) -> dict[str, Any]:
    location = 'mailyard_queue_depth_mails{queue="local.filter"}'
    return {
        "metadata": {"name": "mailyard-filter"},
        "spec": {
            "triggers": [
                {"type": "cpu", "metadata": {"value": "70"}},
                {"type": "metrics-api", "metadata": {"valueLocation": location}},
            ]
        },
        "status": {
            "externalMetricNames": ["s1-metric-api-depth"],
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


def test_a_trigger_on_a_queue_is_found_by_its_place_among_all_triggers() -> None:
    assert triggers([scaled_object()]) == [
        Trigger("mailyard-filter", "s1-metric-api-depth", "mailyard_queue_depth_mails", "local.filter")
    ]


@pytest.mark.parametrize(
    ("value", "at", "expected"),
    [(40.0, 10.0, True), (41.0, 10.0, False), (40.0, 5.0, False), (40.0, 13.0, False), (39.9995, 11.0, True)],
)
def test_a_value_matches_when_a_router_exported_it_at_about_that_time(
    value: float, at: float, expected: bool
) -> None:
    exported = [Reading(10.0, 40.0), Reading(10.1, 7.0)]
    assert matches(Reading(at + 0.1, value), at, exported) is expected
