"""Metrics of the store: whether a primary is reachable, and how long batched writes take."""

import time
from dataclasses import dataclass

import pytest
from prometheus_client import REGISTRY

from mailyard.store.watch import ConnectionWatch, timed_write

CONNECTED = "mailyard_store_connected_state"


def observed(what: str, write: str) -> float:
    return REGISTRY.get_sample_value(f"mailyard_store_write_seconds_{what}", {"write": write}) or 0.0


@dataclass(frozen=True)
class Topology:
    """The part of the driver's description that the gauge reads."""

    writable: bool

    def has_writable_server(self) -> bool:
        return self.writable


@dataclass(frozen=True)
class Change:
    """The part of the driver's event that the gauge reads."""

    new_description: Topology


def test_the_gauge_is_1_exactly_while_a_server_takes_writes() -> None:
    watch = ConnectionWatch()
    seen = []
    for step in (
        lambda: watch.opened(None),  # type: ignore[arg-type]
        lambda: watch.description_changed(Change(Topology(writable=True))),  # type: ignore[arg-type]
        lambda: watch.description_changed(Change(Topology(writable=False))),  # type: ignore[arg-type]
        lambda: watch.description_changed(Change(Topology(writable=True))),  # type: ignore[arg-type]
        lambda: watch.closed(None),  # type: ignore[arg-type]
    ):
        step()
        seen.append(REGISTRY.get_sample_value(CONNECTED))
    assert seen == [0, 1, 0, 1, 0]


def test_a_write_is_measured_under_its_name() -> None:
    count, seconds = observed("count", "sample"), observed("sum", "sample")
    with timed_write("sample"):
        time.sleep(0.01)
    assert observed("count", "sample") == count + 1
    assert observed("sum", "sample") - seconds >= 0.01


def test_a_write_that_fails_is_measured_too() -> None:
    count = observed("count", "failing")
    with pytest.raises(ZeroDivisionError), timed_write("failing"):
        raise ZeroDivisionError
    assert observed("count", "failing") == count + 1
