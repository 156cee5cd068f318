"""The canary's CronJob runs by its schedule, and the routers export what it found."""

import asyncio
import time

from kubernetes.client.exceptions import ApiException

from tests.cluster.release import NAME
from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.trial import metrics
from tests.trial.waiting import wait_until

SCHEDULE_SECONDS = 420  # the trial's schedule is every five minutes
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
        wait_until, lambda: _exported(subject), seconds=90, what="routers export its figures"
    )
    page = subject.pages("router")[0]
    seconds = metrics.by_label(page, "mailyard_canary_seconds", "leg")
    failed = [
        leg
        for leg, value in metrics.by_label(page, "mailyard_canary_success_state", "leg").items()
        if not value
    ]
    if failed or set(seconds) != set(LEGS):
        raise CheckFailed(f"failed legs {failed}; seconds by leg {seconds}, expected the legs {LEGS}")
    return {f"{leg} leg in s": round(value, 2) for leg, value in seconds.items()}


def _last_success(subject: Subject) -> float:
    job = subject.objects.batch.read_namespaced_cron_job(f"{NAME}-canary", subject.objects.namespace)
    time_ = job.status.last_successful_time
    return time_.timestamp() if time_ else 0.0


def _exported(subject: Subject) -> bool:
    """Whether the routers know of a run as young as the schedule's last success."""
    try:
        pages = subject.pages("router")
        runs = [metrics.total(page, "mailyard_canary_run_timestamp_seconds") for page in pages]
    except (LookupError, ApiException):
        return False
    return bool(runs) and min(runs) > time.time() - SCHEDULE_SECONDS
