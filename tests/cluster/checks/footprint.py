"""Idle memory of the trial overlay, pod by pod, as metrics.k8s.io reports it."""

import asyncio
import time

from tests.cluster.objects import NAME_LABEL
from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.trial.waiting import NotReached, wait_until

LIMIT_MEGABYTES = 700
IDLE_SECONDS = 60  # nothing is sent meanwhile, and the figures are of the last 15 to 30 seconds
DATABASES = ("rabbitmq", "mongodb")


async def run(subject: Subject) -> Figures:
    """Wait until all pods have been measured in peace; add up."""
    await asyncio.to_thread(time.sleep, IDLE_SECONDS)
    try:
        await asyncio.to_thread(
            wait_until, lambda: not _unmeasured(subject), seconds=90, what="every pod that runs is measured"
        )
    except NotReached as error:
        raise CheckFailed(
            f"{error}: {', '.join(_unmeasured(subject))}; does the metrics server run?"
        ) from None
    sizes = await asyncio.to_thread(_megabytes, subject)
    ours = sum(sum(each) for name, each in sizes.items() if name not in DATABASES)
    shown = {name: f"{sum(each):.0f} MB ({len(each)})" for name, each in sorted(sizes.items())}
    if ours > LIMIT_MEGABYTES:
        raise CheckFailed(f"{ours:.0f} MB, the limit is {LIMIT_MEGABYTES} MB; by component (pods): {shown}")
    return {"all of Mailyard": f"{ours:.0f} MB", **shown}


def _running(subject: Subject) -> dict[str, str]:
    """Components by pod; those that have ended use nothing."""
    return {
        pod.metadata.name: pod.metadata.labels[NAME_LABEL]
        for pod in subject.objects.pods()
        if pod.status.phase == "Running"
    }


def _unmeasured(subject: Subject) -> list[str]:
    return sorted(_running(subject).keys() - subject.objects.memory().keys())


def _megabytes(subject: Subject) -> dict[str, list[float]]:
    """Of each pod, by component."""
    measured = subject.objects.memory()
    sizes: dict[str, list[float]] = {}
    for pod, component in _running(subject).items():
        sizes.setdefault(component, []).append(sum(measured.get(pod, {}).values()) / 1e6)
    return sizes
