"""The catalogue names every metric and event, and nothing can be counted beside it."""

import ast
import re
from pathlib import Path

import pytest

import mailyard.runtime.service
from mailyard.runtime.catalogue import EVENTS, METRICS
from mailyard.runtime.metrics import counter, exposition, gauge, histogram


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_each_metric_is_named_by_the_rule(metric):
    assert re.fullmatch(r"mailyard(_[a-z0-9]+)+", metric.name)
    assert metric.help.endswith(".")
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_no_label_holds_an_address_or_an_id(metric):
    assert not set(metric.labels) & {"address", "recipient", "sender", "spool_id", "account", "mailbox", "ip"}


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_each_event_has_a_dotted_name_and_a_meaning(event):
    assert re.fullmatch(r"[a-z][a-z0-9_-]*\.[a-z0-9_.-]+", event.name)
    assert event.meaning.endswith(".")


def test_a_name_that_is_not_in_the_catalogue_is_refused():
    with pytest.raises(KeyError, match="mailyard_unheard_of_total is not in"):
        counter("mailyard_unheard_of_total")


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="mailyard_loop_lag_seconds is a histogram"):
        gauge("mailyard_loop_lag_seconds")


def test_the_same_name_gives_the_same_metric():
    assert histogram("mailyard_loop_lag_seconds") is histogram("mailyard_loop_lag_seconds")


def test_the_exposition_holds_process_metrics_and_ours():
    gauge("mailyard_build_info").labels("sample", "1.0").set(1)
    text = exposition().decode()
    assert 'mailyard_build_info{service="sample",version="1.0"} 1.0' in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


def test_every_event_that_the_runtime_logs_is_in_the_catalogue():
    logged = set()
    for path in Path(mailyard.runtime.service.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "_log"
            ):
                logged.add(node.args[0].value)
    assert logged
    assert logged <= EVENTS.keys()
