"""Samples of a burst every two seconds: depth and age of the queues, replicas; stored as CSV."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

QUEUES = ("smtp-in.route", "local.filter", "local.deliver")
SCALED = ("router", "filter", "delivery")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look; seconds since the start of the burst."""

    seconds: float
    sent: int
    depth: Mapping[str, float]  # by queue, in mails
    oldest: Mapping[str, float]  # by queue, in seconds
    replicas: Mapping[str, int]  # ready, by service


def columns() -> list[str]:
    """Of the table."""
    return [
        "seconds",
        "sent",
        *(f"depth {queue}" for queue in QUEUES),
        *(f"oldest {queue}" for queue in QUEUES),
        *(f"replicas {service}" for service in SCALED),
    ]


def write(samples: Iterable[Sample], path: Path) -> None:
    """A table with one line for each look."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns())
        for one in samples:
            writer.writerow(
                [
                    f"{one.seconds:.1f}",
                    one.sent,
                    *(f"{one.depth.get(queue, 0):.0f}" for queue in QUEUES),
                    *(f"{one.oldest.get(queue, 0):.1f}" for queue in QUEUES),
                    *(one.replicas.get(service, 0) for service in SCALED),
                ]
            )


def read(path: Path) -> list[Sample]:
    """The table again; raises KeyError when a column is missing."""
    with path.open(newline="") as file:
        return [_sample(row) for row in csv.DictReader(file)]


def peak(samples: Sequence[Sample], service: str) -> int:
    """Most replicas of a service."""
    return max((one.replicas.get(service, 0) for one in samples), default=0)


def deepest(samples: Sequence[Sample], queue: str) -> float:
    """Most mails in a queue."""
    return max((one.depth.get(queue, 0.0) for one in samples), default=0.0)


def eldest(samples: Sequence[Sample]) -> float:
    """Highest age in any queue."""
    return max((age for one in samples for age in one.oldest.values()), default=0.0)


def _sample(row: Mapping[str, str]) -> Sample:
    return Sample(
        float(row["seconds"]),
        int(row["sent"]),
        {queue: float(row[f"depth {queue}"]) for queue in QUEUES},
        {queue: float(row[f"oldest {queue}"]) for queue in QUEUES},
        {service: int(row[f"replicas {service}"]) for service in SCALED},
    )
