"""Arrivals, pipeline and autoscalers together, second by second: the same input always gives the same timeline."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.autoscale.arrivals import Arrivals
from bench.autoscale.hpa import SYNC_SECONDS, TOLERANCE, Autoscaler, Scaling
from bench.autoscale.pipeline import QUEUES_OF, SERVICES, Pipeline
from bench.autoscale.pods import Pods

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything besides the arrivals."""

    scaling: Mapping[str, Scaling]
    rates: Mapping[str, float]
    local_share: float = 1.0
    pod_start_seconds: int = 20
    measure_seconds: int = 5  # MAILYARD_ROUTER_DEPTH_SECONDS
    sync_seconds: int = SYNC_SECONDS
    polling_seconds: int = 0  # 0: KEDA asks at every sync; else its cached value, as with useCachedMetrics
    cooldown_seconds: int = 300  # KEDA, before the last pod goes; only where min_replicas is 0
    tolerance: float = TOLERANCE


@dataclass(frozen=True, slots=True)
class Moment:
    """One second of one service; depth over its queues, age of the oldest mail in any of them."""

    depth: int
    oldest_seconds: int
    replicas: int
    ready: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened: a moment for each second and service."""

    arrived: tuple[int, ...]
    moments: Mapping[str, tuple[Moment, ...]]
    done: int
    waiting: int
    longest_seconds: int

    def pod_hours(self, service: str) -> float:
        """Hours of all pods, starting ones included: they cost as well."""
        return sum(moment.replicas for moment in self.moments[service]) / HOUR


def simulate(arrivals: Arrivals, settings: Settings) -> Timeline:
    """Replay `arrivals`."""
    pods = {
        service: Pods.running(settings.scaling[service].min_replicas, settings.pod_start_seconds)
        for service in SERVICES
    }
    pipeline = Pipeline(pods, settings.rates, settings.local_share)
    control = Control(settings, pipeline)
    moments: dict[str, list[Moment]] = {service: [] for service in SERVICES}
    for now, mails in enumerate(arrivals.mails):
        pipeline.step(now, mails, outage=now in arrivals.outage)
        control.step(now)
        for service, seen in moments.items():
            seen.append(_moment(pipeline, service, now))
    return Timeline(
        arrivals.mails,
        {service: tuple(seen) for service, seen in moments.items()},
        pipeline.done,
        pipeline.waiting(),
        pipeline.longest_seconds,
    )


def _moment(pipeline: Pipeline, service: str, now: int) -> Moment:
    queues = [pipeline.queues[name] for name in QUEUES_OF[service]]
    pods = pipeline.pods[service]
    return Moment(
        sum(queue.depth for queue in queues),
        max(queue.oldest_seconds(now) for queue in queues),
        pods.replicas,
        pods.ready(now),
    )


class Control:
    """What the router measures, KEDA fetches and the HorizontalPodAutoscaler acts on, each at its own interval."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._measured: dict[str, float] = {}
        self._fetched: dict[str, float] = {}
        self._active: dict[str, int] = dict.fromkeys(SERVICES, 0)
        self._scalers = {
            service: Autoscaler(_above_zero(settings.scaling[service]), settings.tolerance)
            for service in SERVICES
        }

    def step(self, now: int) -> None:
        """Measure, fetch and scale, where this second is due for it."""
        if now % self._settings.measure_seconds == 0:
            self._measured = self._measure(now)
        if now % (self._settings.polling_seconds or self._settings.sync_seconds) == 0:
            self._fetched = self._measured
            self._wake_or_rest(now)
        if now and now % self._settings.sync_seconds == 0:
            for service in SERVICES:
                self._scale(now, service)

    def _measure(self, now: int) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, queue in self._pipeline.queues.items():
            values[f"{name} depth"] = queue.depth
            values[f"{name} age"] = queue.oldest_seconds(now)
        return values

    def _scale(self, now: int, service: str) -> None:
        pods, scaler = self._pipeline.pods[service], self._scalers[service]
        if pods.replicas == 0:
            return  # KEDA's business: a HorizontalPodAutoscaler is asleep at 0
        values = [self._fetched[trigger.metric] for trigger in scaler.scaling.triggers]
        pods.scale(now, scaler.decide(now, values, pods.replicas, pods.ready(now)))

    def _wake_or_rest(self, now: int) -> None:
        """KEDA's own part, between 0 and 1 (https://keda.sh/docs/latest/reference/scaledobject-spec)."""
        for service, scaling in self._settings.scaling.items():
            pods = self._pipeline.pods[service]
            if any(self._fetched[trigger.metric] > 0 for trigger in scaling.triggers):
                self._active[service] = now
                if pods.replicas == 0:
                    pods.scale(now, 1)
            elif scaling.min_replicas == 0 and now - self._active[service] >= self._settings.cooldown_seconds:
                pods.scale(now, 0)


def _above_zero(scaling: Scaling) -> Scaling:
    return Scaling(
        max(1, scaling.min_replicas),
        scaling.max_replicas,
        scaling.scale_out,
        scaling.scale_in,
        scaling.triggers,
    )
