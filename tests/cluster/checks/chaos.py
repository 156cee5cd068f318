"""Pods die without warning while mail comes and IMAP clients watch: every service, the broker, the store's primary."""

import asyncio
from collections.abc import Callable, Sequence

from tests.chaos.reading import say
from tests.cluster.report import Figures
from tests.cluster.subject import SERVICES, CheckFailed, Subject
from tests.cluster.traffic import Load, Steady, Traffic, prepare

MAILS = 4_500
PER_SECOND = 20.0
PAUSE_SECONDS = 6.0  # of load between two faults
PRIMARY = """
import pathlib, pymongo
url = pathlib.Path("/etc/mailyard/connections/mongo-url").read_text().strip()
client = pymongo.MongoClient(url)
client.admin.command("ping")
print(client.primary[0].split(".")[0])
"""


async def run(subject: Subject) -> Figures:
    """Kill all services' pods twice over, then broker and primary, then restart everything."""
    pace = Steady(PER_SECOND)
    traffic = await prepare(subject, "chaos", Load(MAILS, pace))
    await traffic.run(subject, _hurt(subject, traffic, pace))
    heard = {text: times for text, times in traffic.senders.refusals.items() if text[:1] == "4"}
    return {**traffic.figures, "4yz heard": sum(heard.values())}


async def _hurt(subject: Subject, traffic: Traffic, pace: Steady) -> None:
    faults: Sequence[tuple[str, Callable[[], None]]] = (
        *((service, lambda service=service: _kill(subject, service)) for service in SERVICES),
        ("rabbitmq", lambda: _kill(subject, "rabbitmq")),
        *((service, lambda service=service: _kill(subject, service)) for service in reversed(SERVICES)),
        ("primary of mongodb", lambda: _kill_primary(subject)),
    )
    for name, strike in faults:
        await asyncio.sleep(PAUSE_SECONDS)
        say(f"    kill {name} ({traffic.senders.acknowledged} acknowledged)")
        await asyncio.to_thread(strike)
        await asyncio.to_thread(subject.release.settle)
    say(f"    rolling restart of everything ({traffic.senders.acknowledged} acknowledged)")
    await asyncio.to_thread(subject.objects.restart_all)
    await asyncio.to_thread(subject.release.settle)
    if not traffic.left:
        raise CheckFailed("all mails were sent before the last fault had passed: raise MAILS")
    await asyncio.sleep(PAUSE_SECONDS)
    pace.hurry()


def _kill(subject: Subject, component: str) -> None:
    """All pods of a component; databases outside the release are left alone."""
    for pod in subject.objects.pods(component):
        subject.objects.kill(pod.metadata.name)


def _kill_primary(subject: Subject) -> None:
    if subject.objects.pods("mongodb"):
        subject.objects.kill(subject.toolbox.python(PRIMARY).strip())
