"""One run: start an instance behind fault proxies, send while faults happen, wait until no mail is left, judge."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailyard.local.processes import free_port
from tests.chaos import mails, schedule, verdict
from tests.chaos.observers import ImapServer, Observer
from tests.chaos.proxy import FaultProxy
from tests.chaos.reading import drain, say, watching
from tests.chaos.schedule import Amounts, Fault, Kind
from tests.chaos.senders import Book, Senders
from tests.chaos.verdict import Verdict
from tests.trial import accounts, metrics
from tests.trial.instance import Instance

TENANT, DOMAIN = "chaos", "chaos.test"
OVERTIME_SECONDS = 240  # for the senders after the last fault
UNACCOUNTED = "mailyard_mail_unaccounted"
AUDITS_SECONDS = (
    420.0  # entries of an smtp-in that died are recovered in the second audit after the minute is settled
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run shall be."""

    seed: int
    mails: int
    seconds: float
    amounts: Amounts | tuple[Fault, ...]  # to be planned, or as they are
    mailboxes: int = 20
    connections: int = 24
    drain_seconds: float = 240.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Links:
    """The proxies by the name that the schedule uses."""

    amqp: FaultProxy
    mongo: FaultProxy

    def __getitem__(self, name: str) -> FaultProxy:
        """Either of them."""
        return {"amqp": self.amqp, "mongo": self.mongo}[name]


async def run(trial: Trial, directory: Path, port_base: int) -> Verdict:
    """Run a trial on an instance of its own, in a directory that does not exist yet."""
    proxies = {"amqp": free_port(), "mongo": free_port()}
    environment = {
        **trial.environment,
        "MAILYARD_LOCAL_AMQP_PROXY": str(proxies["amqp"]),
        "MAILYARD_LOCAL_MONGO_PROXY": str(proxies["mongo"]),
    }
    instance = Instance(directory, port_base, environment)
    async with _links(instance, proxies) as links:
        try:
            await asyncio.to_thread(instance.start)
            return await _send_and_judge(trial, instance, links)
        finally:
            await asyncio.to_thread(instance.stop)


@contextlib.asynccontextmanager
async def _links(instance: Instance, ports: Mapping[str, int]) -> AsyncIterator[Links]:
    amqp = FaultProxy(instance.ports.back_end("amqp"))
    mongo = FaultProxy(instance.ports.back_end("mongo"))
    amqp.port, mongo.port = ports["amqp"], ports["mongo"]
    async with amqp, mongo:
        yield Links(amqp, mongo)


async def _send_and_judge(trial: Trial, instance: Instance, links: Links) -> Verdict:
    logins = [f"user{number:02d}" for number in range(trial.mailboxes)]
    boxes = await accounts.add_accounts(instance.mongo_url, TENANT, DOMAIN, logins)
    passwords = dict.fromkeys(boxes, accounts.PASSWORD)
    server = ImapServer("127.0.0.1", instance.ports.listener("imap"), passwords)
    observers = [Observer(server, box, idles=number % 2 == 0) for number, box in enumerate(boxes)]
    book = Book(trial.seed)
    async with watching(observers):
        await _send_while_failing(trial, instance, links, book, boxes)
        collector = await drain(server, book, boxes, trial.drain_seconds)
    unaccounted = await _unaccounted(instance, max(trial.drain_seconds, AUDITS_SECONDS))
    complaints = [line for observer in observers for line in observer.view.complaints]
    rounds = sum(observer.rounds for observer in observers)
    say(f"observers: {rounds} rounds, {sum(one.reconnects for one in observers)} reconnections")
    return verdict.judge(
        book.attempts.values(), collector.arrivals, complaints + collector.complaints, unaccounted
    )


async def _send_while_failing(
    trial: Trial, instance: Instance, links: Links, book: Book, boxes: Sequence[str]
) -> None:
    """Mail for as long as the schedule lasts, and until every mail has been acknowledged."""
    todo = mails.plan(trial.seed, trial.mails, boxes)
    faults = _faults(trial)
    pace = schedule.allowance(faults, trial.mails, trial.seconds)
    senders = Senders(("127.0.0.1", instance.ports.listener("smtp")), book, todo, pace)
    failing = asyncio.create_task(_fail(faults, instance, links, senders, random.Random(trial.seed)))
    try:
        async with asyncio.timeout(trial.seconds + OVERTIME_SECONDS):
            await senders.run(trial.connections)
            await failing
    except TimeoutError:
        say(f"only {senders.acknowledged} of {trial.mails} mails were acknowledged in time")
    finally:
        failing.cancel()
    for refusal, times in sorted(senders.refusals.items(), key=lambda item: -item[1])[:12]:
        say(f"senders heard {times:5} × {refusal}")


def _faults(trial: Trial) -> tuple[Fault, ...]:
    if isinstance(trial.amounts, Amounts):
        return schedule.plan(trial.seed, trial.amounts, trial.seconds)
    return trial.amounts


async def _fail(
    faults: Sequence[Fault], instance: Instance, links: Links, senders: Senders, chance: random.Random
) -> None:
    """Let every fault happen at its time."""
    begun = time.monotonic()
    under_way: set[asyncio.Task[None]] = set()
    for fault in faults:
        await asyncio.sleep(max(0.0, begun + fault.seconds - time.monotonic()))
        say(f"{fault}   ({senders.acknowledged} acknowledged)")
        if fault.kind is Kind.KILL:
            await asyncio.to_thread(instance.signal, fault.target, signal.SIGKILL)
        elif fault.kind is Kind.TERM:
            await asyncio.to_thread(instance.signal, fault.target, signal.SIGTERM)
        elif fault.kind is Kind.CUT:
            links[fault.target].cut(fault.share, chance)
        else:
            link = links[fault.target]
            lasting = link.stall if fault.kind is Kind.STALL else link.cut_off
            under_way.add(asyncio.create_task(lasting(fault.duration)))
    await asyncio.gather(*under_way)


async def _unaccounted(instance: Instance, seconds: float) -> float:
    """By how much the books differ now, by the ledger and by the router's figure; the best of many looks."""
    limit = time.monotonic() + seconds
    found = -1.0  # never read
    while found and time.monotonic() < limit:
        with contextlib.suppress(OSError, LookupError):
            page = await asyncio.to_thread(instance.http, "router", "/metrics")
            exported = metrics.total(page, UNACCOUNTED)
            found = exported + await accounts.unaccounted(instance.mongo_url)
        await asyncio.sleep(0.5)
    return found
