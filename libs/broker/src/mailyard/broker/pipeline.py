"""The pipeline: every queue, the stage that takes tickets from it, and the queues that this stage passes tickets to.

    smtp-in ── smtp-in.route ── router ─┬─ local.filter ─── filter ── local.deliver ── delivery
                                        └─ remote.filter ── filter ── remote.send ──── relay

This is the only place that states the order of the queues. The exchanges and queues of the broker, the queue of a
released row, the paths on which a ticket can be lost, the queues of router and filter, and the queues on which the
chart scales a service all follow from `STAGES`. To add a stage, add its queue to `Queue` and its entry to `STAGES`.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Queue(StrEnum):
    """The queues that carry tickets; a queue's name begins with the name of its exchange."""

    SMTP_IN_ROUTE = "smtp-in.route"
    LOCAL_FILTER = "local.filter"
    LOCAL_DELIVER = "local.deliver"
    REMOTE_FILTER = "remote.filter"
    REMOTE_SEND = "remote.send"
    DEAD = "dead"

    @property
    def exchange(self) -> str:
        """Name of the exchange that a ticket for this queue is published to; the routing key is the queue's name."""
        return self.value.partition(".")[0]


class Route(StrEnum):
    """Which part of the pipeline a row or a queue belongs to."""

    EDGE = "edge"  # accepted and not known to be routed
    LOCAL = "local"  # to mailboxes
    REMOTE = "remote"  # to other hosts


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline: a service takes tickets from `queue`, and passes them to `successors`."""

    service: str
    queue: Queue
    route: Route  # of the tickets in `queue`
    successors: tuple[Queue, ...] = ()
    result: str = ""  # field of the row that shows that the work of this stage is done


STAGES: Final[tuple[Stage, ...]] = (
    Stage("router", Queue.SMTP_IN_ROUTE, Route.EDGE, (Queue.LOCAL_FILTER, Queue.REMOTE_FILTER)),
    Stage("filter", Queue.LOCAL_FILTER, Route.LOCAL, (Queue.LOCAL_DELIVER,), result="verdict"),
    Stage("delivery", Queue.LOCAL_DELIVER, Route.LOCAL),
    Stage("filter", Queue.REMOTE_FILTER, Route.REMOTE, (Queue.REMOTE_SEND,), result="verdict"),
    Stage("relay", Queue.REMOTE_SEND, Route.REMOTE),
)

_STAGE_OF: Final[Mapping[Queue, Stage]] = MappingProxyType({stage.queue: stage for stage in STAGES})


def stage_of(queue: Queue) -> Stage:
    """Return the stage that takes tickets from a queue. Raises KeyError for `dead`, which no stage reads."""
    return _STAGE_OF[queue]


def stages_of(service: str) -> tuple[Stage, ...]:
    """Return the stages that a service works for; none for a service that takes no tickets."""
    return tuple(stage for stage in STAGES if stage.service == service)


def queues_of(*routes: Route) -> tuple[Queue, ...]:
    """Return the queues of routes, in the order of the pipeline."""
    return tuple(stage.queue for stage in STAGES if stage.route in routes)


def successor(queue: Queue) -> Queue:
    """Return the one queue that follows `queue`. Raises ValueError if none or several follow."""
    (following,) = stage_of(queue).successors
    return following


# The first queue of each route: where the router puts what it has routed, and where work on a leg begins.
FIRST_QUEUE: Final[Mapping[Route, Queue]] = MappingProxyType({route: queues_of(route)[0] for route in Route})


def resume_at(route: Route, done: Container[str]) -> Queue:
    """Return the queue in which work on a released row goes on.

    Args:
        route: the route of the row.
        done: the fields of the row; a stage whose result is among them is not repeated.

    """
    queue = FIRST_QUEUE[route]
    while (stage := stage_of(queue)).result and stage.result in done:
        queue = successor(queue)
    return queue


class QueuePath(StrEnum):
    """The queues in which the ticket of an active row can be, as far as the row alone shows."""

    LOCAL = "local"  # a leg for mailboxes
    REMOTE = "remote"  # a leg for other hosts
    EDGE = "edge"  # not routed, or on the way to mailboxes: the router writes `remote` before it publishes
    UNKNOWN = "unknown"  # a row of 0.2.0, which has no route: any queue

    @property
    def route(self) -> Route | None:
        """The route in the rows of this path; None: the rows have none."""
        return None if self is QueuePath.UNKNOWN else Route(self.value)

    @property
    def queues(self) -> tuple[Queue, ...]:
        """The queues of this path."""
        return queues_of(*_PATH_ROUTES[self])


_PATH_ROUTES: Final[Mapping[QueuePath, tuple[Route, ...]]] = MappingProxyType(
    {
        QueuePath.LOCAL: (Route.LOCAL,),
        QueuePath.REMOTE: (Route.REMOTE,),
        QueuePath.EDGE: (Route.EDGE, Route.LOCAL),
        QueuePath.UNKNOWN: tuple(Route),
    }
)
