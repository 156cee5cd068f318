"""The pipeline behind smtp-in: five queues and the four services that empty them (docs/flow.md).

One step is one second. A mail spends at least one step in each queue, so a service never works on what came in this second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.autoscale.pods import Pods
from bench.autoscale.queue import Group, Queue
from mailyard.broker.pipeline import STAGES, stages_of

QUEUES_OF = {stage.service: tuple(str(each.queue) for each in stages_of(stage.service)) for stage in STAGES}
SERVICES = tuple(QUEUES_OF)
_NEXT = {str(stage.queue): str(stage.successors[0]) for stage in STAGES if len(stage.successors) == 1}
_LAST = tuple(stage.service for stage in STAGES if not stage.successors)


@dataclass(slots=True)
class Pipeline:
    """State of queues and pods."""

    pods: Mapping[str, Pods]
    rates: Mapping[str, float]  # mails per second and pod
    local_share: float  # of 0..1; the rest goes to other hosts
    queues: dict[str, Queue] = field(
        default_factory=lambda: {name: Queue() for names in QUEUES_OF.values() for name in names}
    )
    done: int = 0
    longest_seconds: int = 0  # from acceptance to the end, of all that has ended
    _local_owed: float = 0.0

    def step(self, now: int, arriving: int, *, outage: bool = False) -> None:
        """One second: last service first, then what has arrived."""
        for service in reversed(SERVICES):
            capacity = self.pods[service].capacity(now, self.rates[service])
            if not (outage and service in _LAST):
                self._work(now, service, capacity)
        self.queues["smtp-in.route"].put([Group(now, arriving)])

    def waiting(self) -> int:
        """Mails in all queues."""
        return sum(queue.depth for queue in self.queues.values())

    def _work(self, now: int, service: str, capacity: int) -> None:
        names = QUEUES_OF[service]
        for name, share in zip(names, self._shares(names, capacity), strict=True):
            self._pass_on(now, name, self.queues[name].take(share))

    def _shares(self, names: Sequence[str], capacity: int) -> list[int]:
        """A service with two queues divides its work by their depths."""
        depths = [self.queues[name].depth for name in names]
        if sum(depths) <= capacity:
            return depths
        first = capacity * depths[0] // sum(depths)
        return [first, capacity - first][: len(names)] if len(names) > 1 else [capacity]

    def _pass_on(self, now: int, name: str, groups: Sequence[Group]) -> None:
        if name == "smtp-in.route":
            self._route(groups)
        elif name in _NEXT:
            self.queues[_NEXT[name]].put(groups)
        else:
            self.done += sum(group.mails for group in groups)
            self.longest_seconds = max([self.longest_seconds, *(now - group.accepted for group in groups)])

    def _route(self, groups: Sequence[Group]) -> None:
        for group in groups:
            self._local_owed += group.mails * self.local_share
            local = min(group.mails, int(self._local_owed + 1e-9))
            self._local_owed -= local
            self.queues["local.filter"].put([Group(group.accepted, local)])
            self.queues["remote.filter"].put([Group(group.accepted, group.mails - local)])
