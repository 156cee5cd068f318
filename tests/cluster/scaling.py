"""KEDA's ScaledObjects in the API, their triggers, and the values of a trigger's source."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LOCATION = re.compile(r'\w+\{\w+="[^"]+"\}')


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that reads a metrics page: its metric's name for the HPA, what it reads, and of which service."""

    scaled_object: str
    external_name: str
    location: str  # a sample, as it stands at the start of its line
    source: str  # the service whose pods export it
    summed: bool  # over the pods; else any pod's word is taken

    def __str__(self) -> str:
        return f"{self.location} of {self.scaled_object}"


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


def triggers(scaled_objects: Iterable[Mapping[str, Any]], release: str) -> list[Trigger]:
    """The triggers that read pages; KEDA numbers external metrics by the trigger's index."""
    return [
        _trigger(one, number, trigger["metadata"], release)
        for one in scaled_objects
        for number, trigger in enumerate(one["spec"]["triggers"])
        if trigger["type"] == "metrics-api"
    ]


def _trigger(
    scaled_object: Mapping[str, Any], number: int, metadata: Mapping[str, str], release: str
) -> Trigger:
    """Raises LookupError when KEDA does not serve it, ValueError when its location is no single sample."""
    name, location = scaled_object["metadata"]["name"], metadata["valueLocation"]
    if not LOCATION.fullmatch(location):
        raise ValueError(f"{name} reads {location!r}, which is not one sample")
    served = {each.split("-")[0]: each for each in scaled_object["status"].get("externalMetricNames", [])}
    if f"s{number}" not in served:
        raise LookupError(f"{name} has no external metric for its trigger {number}, {location}")
    host = (urlsplit(metadata["url"]).hostname or "").split(".")[0]
    source = host.removeprefix(f"{release}-").removesuffix("-http")
    summed = metadata.get("aggregateFromKubeServiceEndpoints") == "true"
    return Trigger(name, served[f"s{number}"], location, source, summed)


def exported(pages: Sequence[str], trigger: Trigger) -> list[float]:
    """The values that the trigger may have, by the pages of all pods of its source; none when no pod exports it."""
    start = f"{trigger.location} "
    lines = (line for page in pages for line in page.splitlines() if line.startswith(start))
    values = [float(line.removeprefix(start)) for line in lines]
    return [sum(values)] if trigger.summed and values else values
