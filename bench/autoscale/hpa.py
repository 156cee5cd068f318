"""The decisions of a HorizontalPodAutoscaler as pure functions; no clock, no cluster.

https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ : "Algorithm details",
"Support for metrics APIs" and "Configurable scaling behavior". Where the page is silent on external metrics, the rules are those
of kubernetes/kubernetes pkg/controller/podautoscaler: `GetExternalPerPodMetricReplicas` (AverageValue),
`GetExternalMetricReplicas` (Value), `normalizeDesiredReplicasWithBehaviors`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

TOLERANCE = 0.1
SYNC_SECONDS = 15


class Kind(Enum):
    """How the target of an external metric is meant."""

    AVERAGE_VALUE = "AverageValue"  # the metric is divided by the number of pods
    VALUE = "Value"  # the metric is compared as it is


@dataclass(frozen=True, slots=True)
class Trigger:
    """One metric with its target; `metric` is `<queue> depth` or `<queue> age`."""

    metric: str
    kind: Kind
    target: float


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """One direction of `spec.behavior` as the chart writes it: two policies over one period, selectPolicy Max."""

    stabilization_seconds: int
    pods: int
    percent: int
    period_seconds: int

    def largest_after_growth(self, replicas_at_period_start: int) -> int:
        """Most replicas that scaleUp allows within the period."""
        by_percent = math.ceil(replicas_at_period_start * (100 + self.percent) / 100)
        return max(replicas_at_period_start + self.pods, by_percent)

    def smallest_after_shrinking(self, replicas_at_period_start: int) -> int:
        """Fewest replicas that scaleDown allows within the period."""
        by_percent = replicas_at_period_start * (100 - self.percent) // 100
        return max(0, min(replicas_at_period_start - self.pods, by_percent))


@dataclass(frozen=True, slots=True)
class Scaling:
    """The inputs of the autoscaler of one service."""

    min_replicas: int
    max_replicas: int
    scale_out: ScalingRules
    scale_in: ScalingRules
    triggers: tuple[Trigger, ...] = ()


def wanted(trigger: Trigger, value: float, replicas: int, ready: int, tolerance: float = TOLERANCE) -> int:
    """Replicas that one metric asks for; `ready` of `replicas` pods are ready."""
    if trigger.kind is Kind.AVERAGE_VALUE:
        if replicas and _within(tolerance, value / (trigger.target * replicas)):
            return replicas
        return math.ceil(value / trigger.target)
    ratio = value / trigger.target
    if replicas and _within(tolerance, ratio):
        return replicas
    return math.ceil(ratio * (ready if replicas else 1))


def _within(tolerance: float, ratio: float) -> bool:
    return 1 - tolerance <= ratio <= 1 + tolerance


@dataclass(slots=True)
class Autoscaler:
    """The memory of one HorizontalPodAutoscaler: its recommendations and the scalings that policies count."""

    scaling: Scaling
    tolerance: float = TOLERANCE
    _recommendations: list[tuple[int, int]] = field(default_factory=list)
    _changes: list[tuple[int, int]] = field(default_factory=list)

    def decide(self, now: int, values: Sequence[float], replicas: int, ready: int) -> int:
        """Replicas from second `now` on, given one value for each trigger."""
        scaling = self.scaling
        if replicas > scaling.max_replicas:
            return self._remembered(now, replicas, scaling.max_replicas)
        if replicas < scaling.min_replicas:
            return self._remembered(now, replicas, scaling.min_replicas)
        asked = max(
            (
                wanted(trigger, value, replicas, ready, self.tolerance)
                for trigger, value in zip(scaling.triggers, values, strict=True)
            ),
            default=replicas,
        )
        steadied = self._steadied(now, asked, replicas)
        return self._remembered(now, replicas, self._limited(now, steadied, replicas))

    def _steadied(self, now: int, asked: int, replicas: int) -> int:
        """Never above the lowest wish of the scale-out window, never below the highest of the scale-in window."""
        out, into = self.scaling.scale_out.stabilization_seconds, self.scaling.scale_in.stabilization_seconds
        lowest = min([asked, *(wish for at, wish in self._recommendations if at > now - out)])
        highest = max([asked, *(wish for at, wish in self._recommendations if at > now - into)])
        kept = now - max(out, into)
        self._recommendations = [one for one in self._recommendations if one[0] > kept] + [(now, asked)]
        return min(max(replicas, lowest), highest)

    def _limited(self, now: int, desired: int, replicas: int) -> int:
        """`desired` within the policies of its direction and the bounds of the scaling."""
        scaling = self.scaling
        if desired > replicas:
            start = self._at_period_start(now, scaling.scale_out.period_seconds, replicas)
            allowed = max(replicas, scaling.scale_out.largest_after_growth(start))
            return min(desired, allowed, scaling.max_replicas)
        if desired < replicas:
            start = self._at_period_start(now, scaling.scale_in.period_seconds, replicas)
            allowed = min(replicas, scaling.scale_in.smallest_after_shrinking(start))
            return max(desired, allowed, scaling.min_replicas)
        return max(scaling.min_replicas, min(desired, scaling.max_replicas))

    def _at_period_start(self, now: int, period: int, replicas: int) -> int:
        return replicas - sum(change for at, change in self._changes if at > now - period)

    def _remembered(self, now: int, replicas: int, desired: int) -> int:
        longest = max(self.scaling.scale_out.period_seconds, self.scaling.scale_in.period_seconds)
        self._changes = [one for one in self._changes if one[0] > now - longest]
        if desired != replicas:
            self._changes.append((now, desired - replicas))
        return desired
