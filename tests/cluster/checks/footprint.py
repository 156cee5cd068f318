"""Idle memory of the trial overlay, pod by pod, as metrics.k8s.io tells it."""

import asyncio
import time

from tests.cluster.report import Figures
from tests.cluster.subject import SERVICES, CheckFailed, Subject
from tests.trial.waiting import wait_until

LIMIT_MEGABYTES = 700
IDLE_SECONDS = 60  # nothing is sent meanwhile, and the figures are of the last 15 to 30 seconds
DATABASES = ("rabbitmq", "mongodb")


async def run(subject: Subject) -> Figures:
    """Wait until all pods have been measured in peace; add up."""
    await asyncio.to_thread(time.sleep, IDLE_SECONDS)
    await asyncio.to_thread(
        wait_until, lambda: not _unmeasured(subject), seconds=90, what="every service's pod is measured"
    )
    by_component = _megabytes(subject)
    ours = sum(size for name, size in by_component.items() if name not in DATABASES)
    if ours > LIMIT_MEGABYTES:
        raise CheckFailed(f"{ours:.0f} MB, the limit is {LIMIT_MEGABYTES} MB: {by_component}")
    told = {name: f"{size:.0f} MB" for name, size in sorted(by_component.items())}
    return {"all of Mailyard": f"{ours:.0f} MB", **told}


def _unmeasured(subject: Subject) -> set[str]:
    return set(SERVICES) - set(_megabytes(subject))


def _megabytes(subject: Subject) -> dict[str, float]:
    """By component; pods that have ended use nothing."""
    components = {
        pod.metadata.name: pod.metadata.labels["app.kubernetes.io/component"]
        for pod in subject.objects.pods()
    }
    sizes: dict[str, float] = {}
    for pod, containers in subject.objects.memory().items():
        component = components.get(pod)
        if component is not None:
            sizes[component] = sizes.get(component, 0.0) + sum(containers.values()) / 1e6
    return sizes
