"""`helm upgrade` under load: from an earlier chart or earlier images when they are named, else onto the same with new pods."""

import asyncio
import json
import tempfile
from pathlib import Path

from mailyard.runtime.services import NAMES
from tests.cluster import images, previous
from tests.cluster.release import CHART, NAME
from tests.cluster.report import Figures, Stopwatch
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.traffic import Load, Steady, Traffic, prepare
from tests.trial.waiting import NotReached, wait_until

MAILS = 6_000
PER_SECOND = 15.0
AROUND = 75  # mails before and after the upgrade
REPLACED_SECONDS = 120
HOOK = f"{NAME}-setup-upgrade"


async def run(subject: Subject) -> Figures:
    """Install the old one, upgrade while mail comes, look at what runs and at the hook's job."""
    if subject.surroundings.upgrades_from_earlier:
        await asyncio.to_thread(_install_earlier, subject)
    before = await asyncio.to_thread(subject.objects.lives)
    start = await asyncio.to_thread(_told, subject)
    pace = Steady(PER_SECOND)
    traffic = await prepare(subject, "upgrade", Load(MAILS, pace))
    await traffic.run(subject, _upgrade(subject, traffic, pace))
    await asyncio.to_thread(_all_new, subject, before)
    phase = await asyncio.to_thread(_hook_phase, subject)
    if phase != "Succeeded":
        raise CheckFailed(f"the hook's job {HOOK} is {phase}")
    end = await asyncio.to_thread(_told, subject)
    return {"from": start, "to": end, "setup hook": phase, **traffic.figures}


async def _upgrade(subject: Subject, traffic: Traffic, pace: Steady) -> None:
    await traffic.flows(AROUND)
    watch = Stopwatch()
    await asyncio.to_thread(subject.release.upgrade, *annotations(subject.run))
    traffic.figures["upgraded in s"] = watch.seconds
    traffic.must_be_under_way("the upgrade")
    await traffic.flows(AROUND)
    pace.hurry()


def annotations(run: str) -> list[str]:
    """What makes every service's pod a new one, even when chart and images are the same."""
    values = [f"services.{service}.podAnnotations.upgraded={run}" for service in NAMES]
    return [part for value in values for part in ("--set-string", value)]


def _install_earlier(subject: Subject) -> None:
    read = subject.surroundings
    subject.release.wipe()
    with tempfile.TemporaryDirectory(prefix="mailyard-chart-") as folder:
        chart = previous.extract(read.previous, Path(folder)) if read.previous else CHART
        subject.release.install(chart=chart, tag=read.previous_tag)


def _told(subject: Subject) -> str:
    """Chart and images, as they are in the cluster."""
    tags = sorted({image for pod in subject.objects.pods("smtp-in") for image in _images(pod)})
    return f"{subject.release.chart()} with {', '.join(tags)}"


def _images(pod: object) -> list[str]:
    return [container.image for container in pod.spec.containers]  # type: ignore[attr-defined]


def _all_new(subject: Subject, before: set[str]) -> None:
    """No service's pod is one of before, and all that is ours runs the new images."""
    read = subject.surroundings

    def old() -> list[str]:
        kept = [
            f"{pod.metadata.name} of {service} was not replaced"
            for service in NAMES
            for pod in subject.objects.pods(service)
            if pod.metadata.uid in before
        ]
        return kept + images.stale(subject.objects.pods(), read.image_repository, read.image_tag)

    try:
        wait_until(lambda: not old(), seconds=REPLACED_SECONDS, what="only new pods run")
    except NotReached as error:
        raise CheckFailed(f"{error}: {'; '.join(old())}") from None


def _hook_phase(subject: Subject) -> str:
    """As Helm recorded it; the job itself is deleted once it has succeeded."""
    namespace = subject.surroundings.namespace
    status = json.loads(subject.programs.run("helm", "-n", namespace, "status", NAME, "-o", "json"))
    for hook in status.get("hooks", []):
        if hook["name"] == HOOK:
            return str(hook.get("last_run", {}).get("phase", "not run"))
    return "missing"
