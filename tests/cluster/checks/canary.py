"""The canary's CronJob runs by its schedule, and the routers export what it found."""

import asyncio
from datetime import datetime
from typing import Any

from kubernetes.client.exceptions import ApiException

from tests.cluster.release import NAME
from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.trial import metrics
from tests.trial.waiting import wait_until

SCHEDULE_SECONDS = 420  # the trial's schedule is every five minutes
EXPORT_SECONDS = 120  # a run, and the routers' next look at it
LEGS = ("local", "echo")


async def run(subject: Subject) -> Figures:
    """Wait for a run of the schedule's own, then for its figures."""
    await asyncio.to_thread(
        wait_until,
        lambda: _last_success(subject) > 0,
        seconds=SCHEDULE_SECONDS,
        what="a scheduled canary succeeded",
    )
    await asyncio.to_thread(
        wait_until,
        lambda: _exported(subject),
        seconds=EXPORT_SECONDS,
        what="every router exports a run of the schedule",
    )
    shown: dict[str, float] = {}
    for page in await asyncio.to_thread(subject.pages, "router"):
        shown = _judged(page)
    return {f"{leg} leg in s": round(value, 2) for leg, value in shown.items()}


def _judged(page: str) -> dict[str, float]:
    """Seconds by leg; raises CheckFailed when one is missing or failed."""
    seconds = metrics.by_label(page, "mailyard_canary_seconds", "leg")
    states = metrics.by_label(page, "mailyard_canary_success_state", "leg")
    if states != dict.fromkeys(LEGS, 1.0) or set(seconds) != set(LEGS):
        raise CheckFailed(f"success by leg {states}, seconds by leg {seconds}; expected are the legs {LEGS}")
    return seconds


def _last_success(subject: Subject) -> float:
    return _timestamp(_status(subject).last_successful_time)


def _exported(subject: Subject) -> bool:
    """Whether all routers know of a run that began after the schedule's last: that of `helm test` is older."""
    scheduled = _timestamp(_status(subject).last_schedule_time)
    try:
        pages = subject.pages("router")
        runs = [metrics.total(page, "mailyard_canary_run_timestamp_seconds") for page in pages]
    except (LookupError, ApiException):
        return False
    return bool(runs) and min(runs) >= scheduled


def _status(subject: Subject) -> Any:
    job = subject.objects.batch.read_namespaced_cron_job(f"{NAME}-canary", subject.objects.namespace)
    return job.status


def _timestamp(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0
