"""`helm upgrade` under load, from an earlier chart when a git ref names one."""

import asyncio
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.cluster.release import NAME, REPOSITORY
from tests.cluster.report import Figures, Stopwatch
from tests.cluster.subject import SERVICES, CheckFailed, Subject
from tests.cluster.traffic import Load, Steady, Traffic, prepare

MAILS = 4_000
PER_SECOND = 15.0
HOOK = f"{NAME}-setup-upgrade"
NO_PREVIOUS = (
    "this chart, with another annotation on every pod (MAILYARD_CLUSTER_PREVIOUS names no earlier one)"
)


async def run(subject: Subject) -> Figures:
    """Install the old one, upgrade while mail comes, look at the hook's job."""
    previous = subject.surroundings.previous
    if previous:
        await asyncio.to_thread(_install_previous, subject, previous)
    pace = Steady(PER_SECOND)
    traffic = await prepare(subject, "upgrade", Load(MAILS, pace))
    watch = Stopwatch()
    await traffic.run(subject, _upgrade(subject, traffic, pace, watch))
    phase = _hook_phase(subject)
    if phase != "Succeeded":
        raise CheckFailed(f"the hook's job {HOOK} is {phase}")
    return {"from": previous or NO_PREVIOUS, "setup hook": phase, **traffic.figures}


async def _upgrade(subject: Subject, traffic: Traffic, pace: Steady, watch: Stopwatch) -> None:
    await asyncio.sleep(5)  # of load on the old version
    await asyncio.to_thread(subject.release.upgrade, *changes(subject))
    if not traffic.left:
        raise CheckFailed(
            "all mails were sent before the upgrade had ended: it was not under load throughout"
        )
    traffic.figures["upgraded after s"] = watch.seconds
    await asyncio.sleep(5)  # and on the new one
    pace.hurry()


def changes(subject: Subject) -> list[str]:
    """What makes every pod a new one, even when the chart is the same."""
    annotations = [f"services.{service}.podAnnotations.upgraded={subject.run}" for service in SERVICES]
    values = [*annotations, f"image.tag={subject.surroundings.next_tag}"]
    return [part for value in values for part in ("--set-string", value)]


def _install_previous(subject: Subject, ref: str) -> None:
    archive = subprocess.run(
        ["git", "archive", ref, "charts/mailyard"], cwd=REPOSITORY, capture_output=True, check=False
    )
    if archive.returncode:
        raise CheckFailed(f"MAILYARD_CLUSTER_PREVIOUS: {archive.stderr.decode().strip()}")
    subject.release.wipe()
    with (
        tempfile.TemporaryDirectory(prefix="mailyard-chart-") as folder,
        tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files,
    ):
        files.extractall(folder, filter="data")
        subject.release.install(chart=Path(folder) / "charts" / "mailyard")


def _hook_phase(subject: Subject) -> str:
    """As Helm recorded it; the job itself is deleted once it has succeeded."""
    namespace = subject.surroundings.namespace
    status = json.loads(subject.programs.run("helm", "-n", namespace, "status", NAME, "-o", "json"))
    for hook in status.get("hooks", []):
        if hook["name"] == HOOK:
            return str(hook.get("last_run", {}).get("phase", "not run"))
    return "missing"
