"""Pods die without warning while mail comes and IMAP clients watch: every service, the broker, the store's primary."""

import asyncio

from mailyard.runtime.services import NAMES
from tests.chaos.reading import say
from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.traffic import Load, Steady, Traffic, prepare
from tests.trial.waiting import wait_until

MAILS = 6_000
PER_SECOND = 20.0
BETWEEN = 120  # mails that get through between two faults
GONE_SECONDS = 60
PRIMARY = """
import pathlib, pymongo
url = pathlib.Path("/etc/mailyard/connections/mongo-url").read_text().strip()
client = pymongo.MongoClient(url)
client.admin.command("ping")
print(client.primary[0].split(".")[0])
"""


async def run(subject: Subject) -> Figures:
    """Kill all services' pods twice over, the broker and the primary between them, then restart everything."""
    pace = Steady(PER_SECOND)
    traffic = await prepare(subject, "chaos", Load(MAILS, pace))
    await traffic.run(subject, _hurt(subject, traffic, pace))
    heard = {text: times for text, times in traffic.senders.refusals.items() if text[:1] == "4"}
    return {**traffic.figures, "4yz heard": sum(heard.values())}


async def _hurt(subject: Subject, traffic: Traffic, pace: Steady) -> None:
    for component in (*NAMES, "rabbitmq", *reversed(NAMES), "mongodb"):
        await traffic.flows(BETWEEN)
        await asyncio.to_thread(_kill, subject, component, traffic)
    say(f"    rolling restart of everything ({traffic.senders.acknowledged} acknowledged)")
    await asyncio.to_thread(subject.objects.restart_all)
    await asyncio.to_thread(subject.release.settle)
    traffic.must_be_under_way("the last fault")
    await traffic.flows(BETWEEN)
    pace.hurry()


def _kill(subject: Subject, component: str, traffic: Traffic) -> None:
    """All pods of a component, or MongoDB's primary, until there are others; databases outside the release are left alone."""
    killed = {pod.metadata.uid: pod.metadata.name for pod in subject.objects.pods(component)}
    if not killed and component in NAMES:
        raise CheckFailed(f"there is no pod of {component} to kill")
    if killed and component == "mongodb":
        primary = subject.toolbox.python(PRIMARY).strip()
        killed = {uid: name for uid, name in killed.items() if name == primary}
        if not killed:
            raise CheckFailed(f"MongoDB's primary {primary} is no pod of the release")
    say(f"    kill {component} {sorted(killed.values())} ({traffic.senders.acknowledged} acknowledged)")
    for name in killed.values():
        subject.objects.kill(name)
    wait_until(
        lambda: not killed.keys() & subject.objects.lives(component),
        seconds=GONE_SECONDS,
        what=f"the pods of {component} that were killed are gone",
    )
    subject.release.settle()
    traffic.figures["pods killed"] = traffic.figures.get("pods killed", 0) + len(killed)
