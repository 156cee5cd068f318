"""KEDA's ScaledObjects as they stand in the API, and whether what the HPA is told is what the routers export."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOCATION = re.compile(r'(\w+)\{queue="([^"]+)"\}')
TOLERANCE = 0.0011  # an external metric is a quantity in thousandths
EARLIER_SECONDS, LATER_SECONDS = 2.0, 1.0  # a request to a page, and the way through KEDA


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that reads the routers: its metric's name for the HPA, and what it reads."""

    scaled_object: str
    external_name: str
    metric: str
    queue: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure at a time (monotonic seconds)."""

    at: float
    value: float


def faults(scaled_objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sentences about objects that are not ready, or live on their fallback."""
    found = []
    for one in scaled_objects:
        name = one["metadata"]["name"]
        conditions = {each["type"]: each["status"] for each in one.get("status", {}).get("conditions", [])}
        if conditions.get("Ready") != "True":
            found.append(f"{name} is not Ready")
        if conditions.get("Fallback") == "True":
            found.append(f"{name} is in fallback")
    return found


def triggers(scaled_objects: Iterable[Mapping[str, Any]]) -> list[Trigger]:
    """The triggers on queues; KEDA numbers external metrics by the trigger's place."""
    found = []
    for one in scaled_objects:
        names = {name.split("-")[0]: name for name in one.get("status", {}).get("externalMetricNames", [])}
        for number, trigger in enumerate(one["spec"]["triggers"]):
            location = LOCATION.fullmatch(trigger["metadata"].get("valueLocation", ""))
            external = names.get(f"s{number}")
            if location and external:
                found.append(Trigger(one["metadata"]["name"], external, location[1], location[2]))
    return found


def matches(told: Reading, asked_at: float, exported: Sequence[Reading]) -> bool:
    """Whether some router exported that value at about the time when the HPA's view was asked for."""
    around = (
        one.value for one in exported if asked_at - EARLIER_SECONDS <= one.at <= told.at + LATER_SECONDS
    )
    return any(abs(value - told.value) <= TOLERANCE for value in around)
