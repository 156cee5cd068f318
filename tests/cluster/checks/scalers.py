"""Each trigger of KEDA's gives the HPA exactly the values that the pods export: above 0 while something waits, and 0 after it.

Connections are compared in peace; the queues while mail for here and for elsewhere waits in each of them in turn. The
router, which cannot be stopped because it exports the figures, gets tickets a second time: more than it can take at once.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from mailyard.runtime.services import NAMES, SERVICES
from tests.cluster.comparison import Comparison
from tests.cluster.readings import compare
from tests.cluster.release import NAME, VALUES
from tests.cluster.repeats import repeat_tickets
from tests.cluster.report import Figures
from tests.cluster.scaling import Trigger, faults, triggers
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.traffic import Load, Traffic, burst, prepare
from tests.trial.waiting import NotReached, wait_until

SLOW_ROUTER = VALUES / "scalers.yaml"
READY_SECONDS = 120
CONNECTIONS_SECONDS = 60
QUEUES_SECONDS = 240
AWAY_SECONDS = 60
MAILS = 3_000
MAILS_ELSEWHERE = 60
HELD_CONNECTIONS = 3
LISTENERS = tuple((each.name, port.public) for each in SERVICES for port in each.ports if port.public)
TLS_PORTS = (465, 993)
CONSUMERS = ("filter", "delivery", "relay")


async def run(subject: Subject) -> Figures:
    """Look at the objects; then compare, first connections, then queues."""
    async with subject.release.changed(extra=[SLOW_ROUTER]):
        listed = await asyncio.to_thread(_ready, subject)
        wanted = triggers(listed, NAME)
        if without := {f"{NAME}-{service}" for service in NAMES} - {one.scaled_object for one in wanted}:
            raise CheckFailed(f"nothing but CPU scales {sorted(without)}")
        comparison = Comparison()
        await _connections(subject, [one for one in wanted if one.summed], comparison)
        await _queues(subject, [one for one in wanted if not one.summed], comparison)
        await asyncio.to_thread(_ready, subject)
    compared, above = comparison.counts()
    return {
        "ScaledObjects ready": len(listed),
        "triggers seen above 0 and at 0 again": len(wanted),
        "values compared": compared,
        "of those above 0": above,
    }


def _ready(subject: Subject) -> list[dict[str, object]]:
    def complaints() -> list[str]:
        listed = subject.objects.custom("keda.sh", "v1alpha1", "scaledobjects")
        few = [f"there are {len(listed)} ScaledObjects"] if len(listed) != len(NAMES) else []
        return [*few, *faults(listed)]

    try:
        wait_until(lambda: not complaints(), seconds=READY_SECONDS, what="all ScaledObjects are ready")
    except NotReached as error:
        raise CheckFailed(f"{error}: {complaints()}; see the log of KEDA's operator") from None
    return subject.objects.custom("keda.sh", "v1alpha1", "scaledobjects")


async def _connections(subject: Subject, wanted: Sequence[Trigger], comparison: Comparison) -> None:
    """Hold some of each kind until all triggers have shown them, then none."""
    async with contextlib.AsyncExitStack() as held:
        for service, port in LISTENERS * HELD_CONNECTIONS:
            held.push_async_callback(_close, await _opened(subject, service, port))

        async def each_round() -> bool:
            if all(comparison.seen(one) for one in wanted):
                await held.aclose()
            return all(comparison.passed(one) for one in wanted)

        await compare(subject, wanted, comparison, each_round, seconds=CONNECTIONS_SECONDS)


async def _opened(subject: Subject, service: str, port: int) -> asyncio.StreamWriter:
    host, number = await asyncio.to_thread(subject.access.address, f"{NAME}-{service}", port)
    tls = await asyncio.to_thread(subject.tls) if port in TLS_PORTS else None
    _, writer = await asyncio.open_connection(host, number, ssl=tls)
    return writer


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _queues(subject: Subject, wanted: Sequence[Trigger], comparison: Comparison) -> None:
    load = Load(MAILS, burst, largest=8_000, observers=0)
    traffic = await prepare(subject, "scalers", load)
    await asyncio.to_thread(_take_away, subject)
    await traffic.run(subject, _fill_and_empty(subject, traffic, wanted, comparison))


def _take_away(subject: Subject) -> None:
    """KEDA brings them back within half a minute, and each round of the comparison takes them away again."""
    for service in CONSUMERS:
        subject.objects.scale(f"{NAME}-{service}", 0)
    wait_until(
        lambda: not any(subject.objects.pods(service) for service in CONSUMERS),
        seconds=AWAY_SECONDS,
        what=f"{', '.join(CONSUMERS)} have no pods",
    )


async def _fill_and_empty(
    subject: Subject, traffic: Traffic, wanted: Sequence[Trigger], comparison: Comparison
) -> None:
    """Keep each consumer away until the triggers have shown its queues, and go on until all are empty again."""
    away = set(CONSUMERS)
    elsewhere = asyncio.create_task(asyncio.to_thread(_send_elsewhere, subject, traffic.boxes[0]))

    async def each_round() -> bool:
        for service in sorted(away):
            done = all(comparison.seen(one) for one in wanted if one.scaled_object == f"{NAME}-{service}")
            await asyncio.to_thread(subject.objects.scale, f"{NAME}-{service}", int(done))
            away.difference_update([service] if done else [])
        if not all(comparison.seen(one) for one in wanted if one.scaled_object == f"{NAME}-router"):
            await asyncio.to_thread(repeat_tickets, subject.toolbox)
        if elsewhere.done():
            await elsewhere  # raises what went wrong
        return not traffic.left and elsewhere.done() and all(comparison.passed(one) for one in wanted)

    try:
        await compare(subject, wanted, comparison, each_round, seconds=QUEUES_SECONDS)
    finally:
        for service in away:  # KEDA would bring them back too, in its own time
            await asyncio.to_thread(subject.objects.scale, f"{NAME}-{service}", 1)
        await elsewhere


def _send_elsewhere(subject: Subject, account: str) -> None:
    """Mail that filter and relay have to do with; the sink takes it."""
    tenant = account.partition("@")[2].removesuffix(".test")
    subject.toolbox.mailyard(
        "load", f"--submission={NAME}-smtp-in:587", f"--account={account}", "--insecure-tls",
        f"--password-file=/tmp/{tenant}.password", "--recipient=somebody@elsewhere.test",
        f"--mails={MAILS_ELSEWHERE}", "--rate=200", "--connections=4", "--size=1000",
    )  # fmt: skip
