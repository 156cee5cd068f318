"""The table of stages is complete, and it has the shape that the pipeline promises."""

import pytest

from mailyard.broker.pipeline import (
    FIRST_QUEUE,
    STAGES,
    Queue,
    QueuePath,
    Route,
    queues_of,
    resume_at,
    stage_of,
    stages_of,
    successor,
)

STAGES_IN_ORDER = (
    Queue.SMTP_IN_ROUTE,
    Queue.LOCAL_FILTER,
    Queue.LOCAL_DELIVER,
    Queue.REMOTE_FILTER,
    Queue.REMOTE_SEND,
)


def test_each_queue_but_the_dead_letters_has_one_stage():
    assert [stage.queue for stage in STAGES] == list(STAGES_IN_ORDER)
    assert {stage.queue for stage in STAGES} == set(Queue) - {Queue.DEAD}
    with pytest.raises(KeyError):
        stage_of(Queue.DEAD)


def test_every_queue_is_reached_from_the_entry_and_none_twice():
    reached: list[Queue] = []
    waiting = [Queue.SMTP_IN_ROUTE]
    while waiting:
        queue = waiting.pop()
        reached.append(queue)
        waiting += stage_of(queue).successors
    assert sorted(reached) == sorted(STAGES_IN_ORDER)


def test_a_message_changes_its_route_in_the_router_alone():
    for stage in STAGES:
        routes = {stage_of(queue).route for queue in stage.successors}
        assert routes == (
            {Route.LOCAL, Route.REMOTE} if stage.service == "router" else routes & {stage.route}
        )


def test_a_queue_stands_in_the_exchange_of_its_route():
    exchanges = {Route.EDGE: "smtp-in", Route.LOCAL: "local", Route.REMOTE: "remote"}
    assert {stage.queue: stage.queue.exchange for stage in STAGES} == {
        stage.queue: exchanges[stage.route] for stage in STAGES
    }


@pytest.mark.parametrize(
    ("service", "queues"),
    [
        ("router", [Queue.SMTP_IN_ROUTE]),
        ("filter", [Queue.LOCAL_FILTER, Queue.REMOTE_FILTER]),
        ("delivery", [Queue.LOCAL_DELIVER]),
        ("relay", [Queue.REMOTE_SEND]),
        ("imap", []),
    ],
)
def test_a_service_takes_from_its_queues(service: str, queues: list[Queue]):
    assert [stage.queue for stage in stages_of(service)] == queues


def test_only_a_queue_with_one_successor_has_the_successor():
    assert successor(Queue.LOCAL_FILTER) is Queue.LOCAL_DELIVER
    assert successor(Queue.REMOTE_FILTER) is Queue.REMOTE_SEND
    for queue in (Queue.SMTP_IN_ROUTE, Queue.LOCAL_DELIVER):
        with pytest.raises(ValueError, match="values to unpack"):
            successor(queue)


def test_each_route_begins_with_its_first_queue():
    assert FIRST_QUEUE == {
        Route.EDGE: Queue.SMTP_IN_ROUTE,
        Route.LOCAL: Queue.LOCAL_FILTER,
        Route.REMOTE: Queue.REMOTE_FILTER,
    }


@pytest.mark.parametrize(
    ("route", "fields", "queue"),
    [
        (Route.EDGE, (), Queue.SMTP_IN_ROUTE),
        (Route.EDGE, ("verdict",), Queue.SMTP_IN_ROUTE),
        (Route.LOCAL, (), Queue.LOCAL_FILTER),
        (Route.LOCAL, ("verdict",), Queue.LOCAL_DELIVER),
        (Route.REMOTE, (), Queue.REMOTE_FILTER),
        (Route.REMOTE, ("verdict", "site"), Queue.REMOTE_SEND),
    ],
)
def test_a_leg_that_has_its_verdict_is_not_filtered_again(
    route: Route, fields: tuple[str, ...], queue: Queue
):
    assert resume_at(route, fields) is queue


@pytest.mark.parametrize(
    ("path", "route", "queues"),
    [
        (QueuePath.LOCAL, "local", [Queue.LOCAL_FILTER, Queue.LOCAL_DELIVER]),
        (QueuePath.REMOTE, "remote", [Queue.REMOTE_FILTER, Queue.REMOTE_SEND]),
        (QueuePath.EDGE, "edge", [Queue.SMTP_IN_ROUTE, Queue.LOCAL_FILTER, Queue.LOCAL_DELIVER]),
        (QueuePath.UNKNOWN, None, list(STAGES_IN_ORDER)),
    ],
)
def test_a_path_has_every_queue_that_the_ticket_of_its_rows_can_be_in(
    path: QueuePath, route: str | None, queues: list[Queue]
):
    assert path.route == route
    assert list(path.queues) == queues


def test_the_paths_cover_every_route():
    assert {path.route for path in QueuePath} == {*Route, None}
    assert queues_of(*Route) == tuple(stage.queue for stage in STAGES)
