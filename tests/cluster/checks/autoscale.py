"""A burst of 20,000 mails makes filter and delivery three or more, and one again; drawn, and nothing lost or doubled."""

import asyncio
import contextlib
import time

from kubernetes.client.exceptions import ApiException

from tests.chaos.reading import say
from tests.cluster import plot, samples
from tests.cluster.release import NAME, VALUES
from tests.cluster.report import Figures
from tests.cluster.samples import QUEUES, SCALED, Sample
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.traffic import Load, Traffic, burst, prepare
from tests.trial import metrics
from tests.trial.waiting import wait_until

MAILS = 20_000
LARGEST = 8_000  # octets: twenty thousand mails, not half a gigabyte
WANTED_REPLICAS = 3
MUST_SCALE = ("filter", "delivery")
LOOK_SECONDS = 2.0
LONGEST_SECONDS = 900
FAST = VALUES / "autoscale.yaml"
CALM_SECONDS = 300  # for what earlier mail has scaled out
TITLE = "20,000 mails at once, trial overlay with tests/cluster/values/autoscale.yaml, Kubernetes"


async def run(subject: Subject) -> Figures:
    """Burst, look every two seconds until all is back, judge, draw."""
    seen: list[Sample] = []
    async with subject.release.changed(extra=[FAST]):
        await asyncio.to_thread(
            wait_until,
            lambda: all(_ready(subject, service) == 1 for service in SCALED),
            seconds=CALM_SECONDS,
            what=f"{', '.join(SCALED)} have one pod each before the burst",
        )
        load = Load(MAILS, burst, connections=24, largest=LARGEST, observers=4)
        traffic = await prepare(subject, "autoscale", load)
        try:
            await traffic.run(subject, _watch(subject, traffic, seen))
        finally:
            _keep(subject, seen)
    return {
        **{f"most {service}": samples.peak(seen, service) for service in MUST_SCALE},
        **{f"deepest {queue}": samples.deepest(seen, queue) for queue in QUEUES},
        "oldest, s": round(samples.eldest(seen), 1),
        "back in after s": round(seen[-1].seconds),
        **traffic.figures,
    }


async def _watch(subject: Subject, traffic: Traffic, seen: list[Sample]) -> None:
    """Until every service is back at what it began with; raises CheckFailed when it never scaled, or never came back."""
    begun = time.monotonic()
    start: dict[str, int] | None = None
    while time.monotonic() - begun < LONGEST_SECONDS:
        with contextlib.suppress(ApiException):
            sample = await asyncio.to_thread(
                look, subject, time.monotonic() - begun, traffic.senders.acknowledged
            )
            start = start or dict(sample.replicas)
            seen.append(sample)
            if over(traffic.left, sample, start):
                break
        await asyncio.sleep(LOOK_SECONDS)
    few = [service for service in MUST_SCALE if samples.peak(seen, service) < WANTED_REPLICAS]
    if few:
        raise CheckFailed(
            f"{few} never had {WANTED_REPLICAS} replicas; the deepest queues were {_deepest(seen)}"
        )
    if not over(traffic.left, seen[-1], start or {}):
        raise CheckFailed(f"not back at the start within {LONGEST_SECONDS} s: {seen[-1]}")


def over(left: int, sample: Sample, start: dict[str, int]) -> bool:
    """Whether all is sent, the queues are empty and the replicas are as they were."""
    return not left and not any(sample.depth.values()) and dict(sample.replicas) == start


def look(subject: Subject, seconds: float, sent: int) -> Sample:
    """One look at routers and deployments."""
    pages = subject.pages("router")
    return Sample(
        seconds,
        sent,
        _most(pages, "mailyard_queue_depth_mails"),
        _most(pages, "mailyard_queue_oldest_seconds"),
        {service: _ready(subject, service) for service in SCALED},
    )


def _most(pages: list[str], metric: str) -> dict[str, float]:
    """Routers measure at different times: the highest of their values."""
    values = [metrics.by_label(page, metric, "queue") for page in pages]
    return {queue: max((one.get(queue, 0.0) for one in values), default=0.0) for queue in QUEUES}


def _ready(subject: Subject, service: str) -> int:
    found = subject.objects.apps.read_namespaced_deployment(f"{NAME}-{service}", subject.objects.namespace)
    return int(found.status.ready_replicas or 0)


def _deepest(seen: list[Sample]) -> dict[str, float]:
    return {queue: samples.deepest(seen, queue) for queue in QUEUES}


def _keep(subject: Subject, seen: list[Sample]) -> None:
    """Table and picture, also of a burst that failed."""
    subject.output.mkdir(parents=True, exist_ok=True)
    samples.write(seen, subject.output / "autoscale-burst.csv")
    for folder in (subject.output, subject.docs):
        if seen and folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            plot.draw(seen, folder / "autoscale-burst.png", f"{TITLE} {subject.objects.version()}")
            say(f"    drawn: {folder / 'autoscale-burst.png'}")
