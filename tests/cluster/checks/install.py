"""Install in an empty namespace until `helm test` passes, without manual steps, timed; the API server checks every object first."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.cluster.objects import NAME_LABEL
from tests.cluster.report import Figures, Stopwatch
from tests.cluster.subject import CheckFailed, Subject

LIMIT_SECONDS = 300


async def run(subject: Subject) -> Figures:
    """Lint, dry-run on the server, install, test."""
    release = subject.release
    await asyncio.to_thread(release.wipe)
    await asyncio.to_thread(release.lint)
    await asyncio.to_thread(subject.objects.make_namespace)
    await asyncio.to_thread(release.dry_run)
    watch = Stopwatch()
    await asyncio.to_thread(release.install)
    ready = watch.seconds
    await asyncio.to_thread(release.test)
    tested = watch.seconds
    restarts = _restarts(subject)
    if tested > LIMIT_SECONDS:
        raise CheckFailed(f"helm install and helm test took {tested:.0f} s, the limit is {LIMIT_SECONDS} s")
    return {
        "all ready after s": ready,
        "helm test passed after s": tested,
        "restarts of containers": restarts,
        "chart": subject.release.chart(),
        "pods": replicas(subject.objects.pods()),
    }


def replicas(pods: Iterable[Any]) -> str:
    """How many pods run of each component."""
    running = Counter(pod.metadata.labels[NAME_LABEL] for pod in pods if pod.status.phase == "Running")
    return ", ".join(f"{component} {count}" for component, count in sorted(running.items()))


def _restarts(subject: Subject) -> int:
    return sum(
        status.restart_count
        for pod in subject.objects.pods()
        for status in pod.status.container_statuses or []
    )
