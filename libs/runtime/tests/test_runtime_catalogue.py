"""The registry takes each name once, and nothing is counted that no package declares."""

import pytest

from mailyard.runtime import metrics
from mailyard.runtime.catalogue import (
    METRICS,
    DuplicateName,
    EventType,
    Metric,
    Registry,
    UnknownName,
    collect,
    declare,
)
from mailyard.runtime.metrics import counter, exposition, gauge, histogram
from mailyard.runtime.renames import Renamed

A = EventType("a.happened", "A happened.")
B = EventType("b.happened", "B happened.")


@pytest.fixture
def declared(monkeypatch):
    """A registry of its own, so that the samples of these tests are in no reference page."""
    registry: Registry[Metric] = Registry()
    monkeypatch.setattr(metrics, "METRICS", registry)
    return registry


def test_a_registry_gives_what_was_declared_and_who_declared_it():
    registry: Registry[EventType] = Registry()
    registry.add("mailyard.sample", (B, A))
    assert registry.get("a.happened") is A
    assert registry.owner("a.happened") == "mailyard.sample"
    assert list(registry.by_name()) == ["a.happened", "b.happened"]


def test_a_name_that_another_package_has_declared_is_refused_with_both_packages():
    registry: Registry[EventType] = Registry()
    registry.add("mailyard.first", (A,))
    with pytest.raises(DuplicateName, match=r"mailyard\.second declares a\.happened, which mailyard\.first"):
        registry.add("mailyard.second", (EventType("a.happened", "Something else."),))
    assert registry.owner("a.happened") == "mailyard.first"


def test_a_package_that_declares_a_name_twice_is_refused():
    with pytest.raises(DuplicateName, match=r"a\.happened"):
        Registry[EventType]().add("mailyard.sample", (A, A))


def test_a_metric_of_the_runtime_cannot_be_declared_again():
    with pytest.raises(DuplicateName, match=r"which mailyard\.runtime has declared already"):
        declare("mailyard.sample", metrics=(Metric("mailyard_ready_state", "gauge", "Something else."),))


def test_the_declarations_cannot_be_changed_by_those_who_read_them():
    with pytest.raises(TypeError, match="does not support item assignment"):
        collect().metrics["mailyard_x"] = METRICS.get("mailyard_ready_state")  # type: ignore[index]


def test_a_name_that_no_package_declares_is_refused():
    with pytest.raises(UnknownName, match="mailyard_unheard_of_total is declared by no package"):
        counter("mailyard_unheard_of_total")


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(
        TypeError, match="mailyard_loop_lag_seconds is declared as a histogram, not as a gauge"
    ):
        gauge("mailyard_loop_lag_seconds")


def test_the_same_name_gives_the_same_metric():
    assert histogram("mailyard_loop_lag_seconds") is histogram("mailyard_loop_lag_seconds")


def test_the_exposition_holds_process_metrics_and_ours():
    gauge("mailyard_build_info").labels("sample", "1.0").set(1)
    text = exposition().decode()
    assert 'mailyard_build_info{service="sample",version="1.0"} 1.0' in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


def test_a_package_declares_its_names_when_anything_of_it_is_imported():
    assert METRICS.owner("mailyard_ready_state") == "mailyard.runtime"
    assert "service.started" in collect().events


def test_a_renamed_counter_is_exported_under_both_names_with_all_labels(declared):
    declared.add(
        "mailyard.sample",
        (
            Metric(
                "mailyard_sample_new_total",
                "counter",
                "Samples.",
                ("kind",),
                renamed=Renamed("mailyard_sample_old_total", "0.4.0"),
            ),
        ),
    )
    counter("mailyard_sample_new_total").labels("a").inc(3)
    lines = exposition().decode().splitlines()
    assert 'mailyard_sample_new_total{kind="a"} 3.0' in lines
    assert 'mailyard_sample_old_total{kind="a"} 3.0' in lines
    assert "# TYPE mailyard_sample_old_total counter" in lines
    assert "# HELP mailyard_sample_old_total Samples. Renamed to mailyard_sample_new_total." in lines


def test_a_renamed_histogram_keeps_its_buckets_under_the_old_name(declared):
    declared.add(
        "mailyard.sample",
        (
            Metric(
                "mailyard_sample_new_seconds",
                "histogram",
                "Samples.",
                buckets=(1.0, 2.0),
                renamed=Renamed("mailyard_sample_old_seconds", "0.4.0"),
            ),
        ),
    )
    histogram("mailyard_sample_new_seconds").observe(1.5)
    lines = exposition().decode().splitlines()
    for name in ("mailyard_sample_new_seconds", "mailyard_sample_old_seconds"):
        assert [line for line in lines if line.startswith(name)] == [
            f'{name}_bucket{{le="1.0"}} 0.0',
            f'{name}_bucket{{le="2.0"}} 1.0',
            f'{name}_bucket{{le="+Inf"}} 1.0',
            f"{name}_count 1.0",
            f"{name}_sum 1.5",
        ]


def test_a_renamed_gauge_follows_its_value(declared):
    declared.add(
        "mailyard.sample",
        (
            Metric(
                "mailyard_sample_new_bytes",
                "gauge",
                "Samples.",
                renamed=Renamed("mailyard_sample_old_bytes", "0.4.0"),
            ),
        ),
    )
    for value in (1, 2):
        gauge("mailyard_sample_new_bytes").set(value)
        assert f"mailyard_sample_old_bytes {value}.0" in exposition().decode().splitlines()


@pytest.mark.parametrize(
    ("current", "over"),
    [
        ("0.3.0", False),
        ("0.4.0", False),
        ("0.4.7", False),
        ("0.5.0", True),
        ("0.10.0", True),
        ("1.0.0", True),
    ],
)
def test_an_old_name_lives_as_long_as_the_minor_version_that_renames(current, over):
    assert Renamed("old", "0.4.1").is_over(current) is over
