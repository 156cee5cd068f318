"""Skaffold deploys the trial and its load from skaffold.yaml, in a namespace of its own, and removes both again."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.cluster import images
from tests.cluster.checks.removal import leftovers, unexpected
from tests.cluster.release import files_over
from tests.cluster.report import Figures, Stopwatch
from tests.cluster.skaffold import Load, Skaffold, Wanted, load
from tests.cluster.subject import CheckFailed, CheckSkipped, Subject, subject
from tests.trial.imap import ImapConnection, ImapFailed
from tests.trial.waiting import wait_until

TRIAL, LOAD = "mailyard", "load"  # modules of skaffold.yaml
JOB = "mailyard-load"
JOB_SECONDS = 660  # its own deadline is 600
ARRIVAL_SECONDS = 180
GONE_SECONDS = 180


async def run(subject_: Subject) -> Figures:
    """Skipped where there is no Skaffold; whatever happens, the namespace is deleted. The release of other checks ends."""
    if not subject_.programs.has("skaffold"):
        raise CheckSkipped("there is no skaffold in MAILYARD_CLUSTER_BIN or PATH")
    if subject_.release.exists():  # a small node has room for one
        await asyncio.to_thread(subject_.release.uninstall)
    read = subject_.surroundings
    own = replace(read, namespace=f"{read.namespace}-skaffold")
    wanted = Wanted(own.namespace, files_over(own), own.image_repository, own.image_tag)
    with (
        tempfile.TemporaryDirectory(prefix="mailyard-skaffold-") as folder,
        subject(own, subject_.output, None) as deployed,
    ):
        skaffold = Skaffold(subject_.programs, Path(folder), wanted)
        await asyncio.to_thread(deployed.release.wipe)
        await asyncio.to_thread(deployed.objects.make_namespace)
        try:
            return await _run(deployed, skaffold)
        finally:
            await asyncio.to_thread(deployed.release.wipe)


async def _run(deployed: Subject, skaffold: Skaffold) -> Figures:
    await asyncio.to_thread(skaffold.diagnose)
    rendered = await asyncio.to_thread(skaffold.render, LOAD)
    watch = Stopwatch()
    await asyncio.to_thread(skaffold.deploy, TRIAL)
    await asyncio.to_thread(deployed.release.settle)
    ready = watch.seconds
    read = deployed.surroundings
    if wrong := images.stale(deployed.objects.pods(), read.image_repository, read.image_tag):
        raise CheckFailed(f"other images than were named: {'; '.join(wrong)}")
    await asyncio.to_thread(skaffold.deploy, LOAD)
    await asyncio.to_thread(_job_done, deployed)
    sent = load(rendered)
    await _arrived(deployed, sent)
    await asyncio.to_thread(skaffold.delete, LOAD)
    await asyncio.to_thread(_gone, deployed)
    return {"objects rendered": len(rendered), "ready after s": ready, "mails of the load": sent.mails}


def _job_done(deployed: Subject) -> None:
    """Raises CheckFailed with its last words when it failed."""

    def done() -> bool:
        status = deployed.objects.batch.read_namespaced_job(JOB, deployed.objects.namespace).status
        if status.failed:
            log = deployed.programs.run("kubectl", "-n", deployed.objects.namespace, "logs", f"job/{JOB}")
            raise CheckFailed(f"the job {JOB} failed: {log[-1500:]}")
        return bool(status.succeeded)

    wait_until(done, seconds=JOB_SECONDS, what=f"the job {JOB} has ended")


async def _arrived(deployed: Subject, sent: Load) -> None:
    """Every mailbox of the trial has its share, and no mail more."""
    passwords = await asyncio.to_thread(deployed.objects.secret, "mailyard-accounts")
    found: dict[str, int] = {}
    for _ in range(ARRIVAL_SECONDS):
        for address in sent.expected():
            password = passwords[address.replace("@", "_at_")].decode()
            found[address] = await _count(deployed, address, password)
        if found == sent.expected():
            return
        await asyncio.sleep(1)
    raise CheckFailed(f"mails in the mailboxes: {found}, expected {sent.expected()}")


async def _count(deployed: Subject, address: str, password: str) -> int:
    """-1 while the mailbox cannot be opened."""
    try:
        connection = await ImapConnection.open(*deployed.imaps(), address, password, tls=deployed.tls())
        try:
            return (await connection.select(examine=True)).exists
        finally:
            await connection.close()
    except ImapFailed:
        return -1


def _gone(deployed: Subject) -> None:
    def left() -> set[str]:
        jobs = deployed.objects.batch.list_namespaced_job(deployed.objects.namespace).items
        return unexpected(leftovers(deployed.objects)) | {f"job/{job.metadata.name}" for job in jobs}

    wait_until(lambda: not left(), seconds=GONE_SECONDS, what="skaffold delete has removed all it deployed")
