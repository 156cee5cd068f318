"""Mail to fresh mailboxes of the cluster, watched by IMAP clients, and the verdict."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from kubernetes.client.exceptions import ApiException

from tests.chaos import mails, verdict
from tests.chaos.mails import Mail
from tests.chaos.observers import Collector, ImapServer, Observer
from tests.chaos.reading import collect, drain, watching
from tests.chaos.senders import MAILS_PER_CONNECTION, Book, Senders
from tests.chaos.verdict import Verdict
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.toolbox import PASSWORD
from tests.trial import metrics
from tests.trial.waiting import NotReached, until

MAILBOXES = 20
OVERTIME_SECONDS = 300  # for the senders after all that happens meanwhile
FLOW_SECONDS = 120
DRAIN_SECONDS = 300.0
CONVERGE_SECONDS = 90
LEDGER_SECONDS = 240.0  # the books of an hour are compared when it has settled
UNACCOUNTED = "mailyard_mail_unaccounted"
AUDITS = "mailyard_ledger_audits_total"


@dataclass(frozen=True, slots=True)
class Load:
    """How much, how fast, by how many connections."""

    mails: int
    pace: Callable[[float], float]  # mails that may have been sent so many seconds after the start
    connections: int = 16
    mails_per_connection: int = MAILS_PER_CONNECTION
    largest: int = 1_200_000  # octets
    observers: int = 8
    seed: int = 4


@dataclass(slots=True)
class Traffic:
    """One run of mail."""

    load: Load
    server: ImapServer
    boxes: Sequence[str]
    book: Book
    senders: Senders
    observers: Sequence[Observer]
    figures: dict[str, float] = field(default_factory=dict)

    async def run(self, subject: Subject, meanwhile: Awaitable[None]) -> Verdict:
        """Send while something happens, until all is acknowledged and read; raises CheckFailed when anything is wrong."""
        async with watching(self.observers):
            sending = asyncio.create_task(self._send())
            try:
                await meanwhile
                await self._all_sent(sending)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            self.figures["mails"] = self.senders.acknowledged
            collector = await drain(self.server, self.book, self.boxes, DRAIN_SECONDS)
            lagging = await self._lagging(collector)
        return await self._judged(subject, collector, lagging)

    @property
    def left(self) -> int:
        """Mails that have not been acknowledged yet."""
        return self.load.mails - self.senders.acknowledged

    async def flows(self, mails: int) -> None:
        """Return when so many more have been acknowledged, or all; raises CheckFailed."""
        wanted = min(self.senders.acknowledged + mails, self.load.mails)
        try:
            await until(
                lambda: self.senders.acknowledged >= wanted,
                seconds=FLOW_SECONDS,
                what=f"{mails} more mails are acknowledged",
            )
        except NotReached as error:
            raise CheckFailed(f"{error}; senders heard {self.senders.refusals}") from None

    def must_be_under_way(self, what: str) -> None:
        """Raise CheckFailed when there was no load at the end of something."""
        if not self.left:
            raise CheckFailed(
                f"all {self.load.mails} mails were sent before {what} had ended: it needs more of them"
            )

    async def _send(self) -> None:
        begun = time.monotonic()
        await self.senders.run(self.load.connections)
        self.figures["all acknowledged after s"] = round(time.monotonic() - begun, 1)

    async def _all_sent(self, sending: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(OVERTIME_SECONDS):
                await sending
        except TimeoutError:
            heard = self.senders.refusals
            raise CheckFailed(
                f"{self.left} mails were not acknowledged in time; senders heard {heard}"
            ) from None

    async def _lagging(self, collector: Collector) -> list[str]:
        """Complaints about observers that do not see what there is; mail nobody was promised may still come meanwhile."""
        limit = time.monotonic() + CONVERGE_SECONDS
        while True:
            await collect(collector, self.boxes)
            complaints = self._differences(collector)
            if not complaints or time.monotonic() > limit:
                return complaints
            await asyncio.sleep(1)

    def _differences(self, collector: Collector) -> list[str]:
        there = {box: {one.uid for one in collector.arrivals if one.mailbox == box} for box in self.boxes}
        return [
            f"{box}: an observer sees {len(one.view.seen)} of {len(there[box])} mails after {one.rounds} rounds"
            for box, one in zip(self.boxes, self.observers, strict=False)
            if one.view.seen != there[box]
        ]

    async def _judged(self, subject: Subject, collector: Collector, lagging: Sequence[str]) -> Verdict:
        off = await unaccounted(subject)
        complaints = [line for one in self.observers for line in one.view.complaints]
        complaints += [*collector.complaints, *lagging]
        judged = verdict.judge(self.book.attempts.values(), collector.arrivals, complaints, off)
        self.figures["copies found"] = len(collector.arrivals)
        self.figures["reconnections of IMAP clients"] = sum(one.reconnects for one in self.observers)
        for_good = refused_for_good(self.senders.refusals)
        if for_good:
            raise CheckFailed(f"senders heard {for_good}")
        if not judged.clean:
            raise CheckFailed(f"the client's ledger is not clean:\n{judged.table()}")
        return judged


def refused_for_good(refusals: dict[str, int]) -> dict[str, int]:
    """Refusals with 5yz, by their text."""
    return {text: times for text, times in refusals.items() if text.startswith("5")}


class Steady:
    """A pace that stays the same until somebody is in a hurry."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._hurry = False

    def __call__(self, elapsed: float) -> float:
        """Mails that may have been sent by now."""
        return float("inf") if self._hurry else self._per_second * elapsed

    def hurry(self) -> None:
        """What has to be seen has been seen: send the rest."""
        self._hurry = True


def burst(_elapsed: float) -> float:
    """As fast as the server takes it."""
    return float("inf")


async def prepare(subject: Subject, name: str, load: Load) -> Traffic:
    """Make a tenant with mailboxes for a run of this name."""
    tenant = f"{name}-{subject.run}"
    boxes = await asyncio.to_thread(subject.toolbox.accounts, tenant, f"{tenant}.test", MAILBOXES)
    host, port = subject.imaps()
    server = ImapServer(host, port, dict.fromkeys(boxes, PASSWORD), subject.tls())
    book = Book(load.seed)
    todo = [_limited(mail, load.largest) for mail in mails.plan(load.seed, load.mails, boxes)]
    return Traffic(
        load,
        server,
        boxes,
        book,
        Senders(subject.smtp(), book, todo, load.pace, mails_per_connection=load.mails_per_connection),
        [Observer(server, box, idles=number % 2 == 0) for number, box in enumerate(boxes[: load.observers])],
    )


async def unaccounted(subject: Subject) -> float:
    """By how much the routers' books differ after audits begun from now on; 0 is believed only after two of them."""
    limit = time.monotonic() + LEDGER_SECONDS
    first: float | None = None
    found = -1.0  # never read
    while time.monotonic() < limit:
        with contextlib.suppress(ApiException, LookupError, OSError):
            pages = await asyncio.to_thread(subject.pages, "router")
            audits = sum(metrics.total(page, AUDITS) for page in pages)
            first = audits if first is None else min(first, audits)
            found = sum(metrics.total(page, UNACCOUNTED) for page in pages)
            if audits >= first + 2 and found == 0:
                return found
        await asyncio.sleep(2)
    return found


def _limited(mail: Mail, largest: int) -> Mail:
    return replace(mail, size=min(mail.size, largest))
