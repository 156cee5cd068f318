"""The ScaledObjects are Ready and not in fallback, and the HPA is told exactly what the routers export, under load too."""

import asyncio
import contextlib
import time
from collections import defaultdict
from dataclasses import dataclass, field

from kubernetes.client.exceptions import ApiException

from tests.cluster.release import NAME
from tests.cluster.report import Figures
from tests.cluster.scaling import Reading, Trigger, faults, matches, triggers
from tests.cluster.subject import SERVICES, CheckFailed, Subject
from tests.cluster.traffic import Load, Traffic, burst, prepare
from tests.trial import metrics
from tests.trial.waiting import wait_until

METRICS = ("mailyard_queue_depth_mails", "mailyard_queue_oldest_seconds")
READY_SECONDS = 120
MAILS = 1_500
LONGEST_SECONDS = 150
MARGIN_SECONDS = 2  # the routers' side must be known before the first value and after the last one
CONSUMERS = ("filter", "delivery")
COMPARED_QUEUES = ("local.filter", "local.deliver")


@dataclass(slots=True)
class Comparison:
    """What routers exported, and what the HPA was told, by metric and queue."""

    exported: dict[tuple[str, str], list[Reading]] = field(default_factory=lambda: defaultdict(list))
    told: list[tuple[Trigger, float, Reading]] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """Sentences about values that no router exported then."""
        return [
            f"{trigger.metric} of {trigger.queue}: the HPA was told {reading.value:g}"
            for trigger, asked_at, reading in self.told
            if not matches(reading, asked_at, self.exported[trigger.metric, trigger.queue])
        ]

    @property
    def above_zero(self) -> int:
        """How many of the compared values say something."""
        return sum(reading.value > 0 for _, _, reading in self.told)

    def has_seen_a_burst_pass(self) -> bool:
        """Whether every trigger told more than 0 at some time, and tells 0 now."""
        values: dict[Trigger, list[float]] = defaultdict(list)
        for trigger, _, reading in self.told:
            values[trigger].append(reading.value)
        return bool(values) and all(any(all_) and not all_[-1] for all_ in values.values())


async def run(subject: Subject) -> Figures:
    """Look at the objects, then compare while a burst passes through."""
    listed = await asyncio.to_thread(_ready, subject)
    wanted = [one for one in triggers(listed) if one.queue in COMPARED_QUEUES]
    if {one.metric for one in wanted} != set(METRICS):
        raise CheckFailed(f"no triggers on depth and age of {COMPARED_QUEUES}: {wanted}")
    comparison = Comparison()
    traffic = await prepare(subject, "scalers", Load(MAILS, burst, largest=8_000, observers=0))
    await traffic.run(subject, _compare(subject, traffic, wanted, comparison))
    wrong = comparison.wrong()
    if wrong:
        raise CheckFailed(
            f"{len(wrong)} of {len(comparison.told)} values were exported by no router, as {wrong[0]}"
        )
    if not comparison.above_zero:
        raise CheckFailed("all values were 0: the burst left no trace in the queues, so nothing was compared")
    return {
        "ScaledObjects ready": len(listed),
        "values compared": len(comparison.told),
        "of those above 0": comparison.above_zero,
    }


def _ready(subject: Subject) -> list[dict[str, object]]:
    def listed() -> list[dict[str, object]]:
        return subject.objects.custom("keda.sh", "v1alpha1", "scaledobjects")

    wait_until(
        lambda: len(listed()) == len(SERVICES) and not faults(listed()),
        seconds=READY_SECONDS,
        what=f"all six ScaledObjects are ready and none is in fallback: {faults(listed())}",
    )
    return listed()


async def _compare(subject: Subject, traffic: Traffic, wanted: list[Trigger], comparison: Comparison) -> None:
    """Take the consumers away for the moment until KEDA brings them back, and read both sides until the queues are empty."""
    for service in CONSUMERS:
        await asyncio.to_thread(subject.objects.scale, f"{NAME}-{service}", 0)
    exporting = asyncio.create_task(_watch_routers(subject, comparison))
    limit = time.monotonic() + LONGEST_SECONDS
    try:
        await asyncio.sleep(MARGIN_SECONDS)
        while time.monotonic() < limit and not (comparison.has_seen_a_burst_pass() and not traffic.left):
            for trigger in wanted:
                asked_at = time.monotonic()
                value = await asyncio.to_thread(
                    subject.objects.external_metric, trigger.external_name, trigger.scaled_object
                )
                comparison.told.append((trigger, asked_at, Reading(time.monotonic(), value)))
        await asyncio.sleep(MARGIN_SECONDS)
    finally:
        exporting.cancel()
        await asyncio.gather(exporting, return_exceptions=True)


async def _watch_routers(subject: Subject, comparison: Comparison) -> None:
    while True:
        with contextlib.suppress(ApiException):
            for page in await asyncio.to_thread(subject.pages, "router"):
                now = time.monotonic()
                for metric in METRICS:
                    for queue, value in metrics.by_label(page, metric, "queue").items():
                        comparison.exported[metric, queue].append(Reading(now, value))
        await asyncio.sleep(0.2)
