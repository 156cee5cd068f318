"""Queues, pods and services of the model: every mail is somewhere, and in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.autoscale.pipeline import SERVICES, Pipeline
from bench.autoscale.pods import Pods
from bench.autoscale.queue import Group, Queue


def pipeline(rate: float = 10, local_share: float = 1.0) -> Pipeline:
    return Pipeline(
        {service: Pods.running(1, 20) for service in SERVICES}, dict.fromkeys(SERVICES, rate), local_share
    )


def test_a_queue_gives_the_oldest_first_and_splits_a_group():
    queue = Queue()
    queue.put([Group(1, 5), Group(2, 5)])
    assert queue.take(7) == [Group(1, 5), Group(2, 2)]
    assert (queue.depth, queue.oldest_seconds(10)) == (3, 8)
    assert queue.take(9) == [Group(2, 3)]
    assert (queue.depth, queue.oldest_seconds(10)) == (0, 0)


def test_a_pod_works_after_its_start_and_the_youngest_goes_first():
    pods = Pods.running(1, 20)
    pods.scale(100, 3)
    assert (pods.replicas, pods.ready(119), pods.ready(120)) == (3, 1, 3)
    pods.scale(130, 4)
    pods.scale(131, 3)
    assert (pods.replicas, pods.ready(131)) == (3, 3)


def test_fractions_of_a_mail_are_kept_for_the_next_second():
    pods = Pods.running(1, 0)
    assert [pods.capacity(second, 0.4) for second in range(5)] == [0, 0, 1, 0, 1]


def test_one_mail_needs_one_second_in_each_queue():
    line = pipeline()
    line.step(0, 1)
    for now in (1, 2, 3):
        line.step(now, 0)
    assert (line.done, line.waiting(), line.longest_seconds) == (1, 0, 3)


def test_mail_is_divided_by_its_share_to_the_last_mail():
    line = pipeline(rate=1000, local_share=0.75)
    line.step(0, 401)
    line.step(1, 0)
    assert line.queues["local.filter"].depth == 300
    assert line.queues["remote.filter"].depth == 101


def test_an_outage_stops_what_ends_mail_and_nothing_before_it():
    line = pipeline(local_share=0.5)
    line.step(0, 10, outage=True)
    for now in range(1, 10):
        line.step(now, 0, outage=True)
    assert line.done == 0
    assert {name: queue.depth for name, queue in line.queues.items() if queue.depth} == {
        "local.deliver": 5,
        "remote.send": 5,
    }


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=60),
    st.floats(0, 1),
    st.floats(0.1, 30),
    st.sets(st.integers(0, 60)),
)
def test_every_mail_is_waiting_or_done_in_every_second(counts, local_share, rate, outage):
    line, arrived = pipeline(rate, local_share), 0
    for now, count in enumerate(counts):
        line.step(now, count, outage=now in outage)
        arrived += count
        assert line.waiting() + line.done == arrived


@pytest.mark.parametrize("service", SERVICES)
def test_the_slowest_service_is_where_mail_waits(service):
    line = pipeline(rate=100, local_share=0.0 if service == "relay" else 1.0)
    line.rates = {**line.rates, service: 10}
    for now in range(60):
        line.step(now, 50)
    depths = {name: queue.depth for name, queue in line.queues.items() if queue.depth > 100}
    expected = {"router": "smtp-in.route", "filter": "local.filter", "delivery": "local.deliver"}
    assert list(depths) == [expected.get(service, "remote.send")]
