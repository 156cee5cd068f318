"""The jobs: every periodic task, and every query that a message, a login or an IMAP command waits for, with their limits."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId

from bench.scale.meter import Cost
from bench.scale.size import Size
from mailyard.broker.pipeline import QueuePath
from mailyard.directory.accounts import Accounts
from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox
from mailyard.message.address import Address
from mailyard.router.settings import RouterSettings
from mailyard.router.sweep import Sweep
from mailyard.runtime.clock import now_utc
from mailyard.spool.ledger.audit import LedgerAuditor
from mailyard.spool.queue.leases import Leases
from mailyard.spool.queue.release import Release
from mailyard.spool.row import ticket_of
from mailyard.spool.watch.backlog import count_backlog
from mailyard.spool.watch.clients import recent_client_addresses
from mailyard.spool.watch.depth import oldest_open
from mailyard.spool.watch.horizon import MARGIN
from mailyard.spool.watch.progress import read_progress
from mailyard.spool.watch.trace import trace
from mailyard.store.client import Row, Store
from tests.flow.parts import Flow

MEGABYTE = 2**20
_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Job:
    """A job, and the limits of its run: time, CPU time, memory and documents that are examined."""

    name: str
    work: Callable[[], Awaitable[object]]
    seconds: float = 1.0
    cpu_seconds: float = 1.0  # of the process, in sum
    memory: int = 50 * MEGABYTE
    documents: int | None = None  # examined; None: twice what is returned, and a hundred

    def broken(self, cost: Cost, time_factor: float) -> list[str]:
        """Return the limits that the cost passes; limits of time are multiplied by `time_factor`."""
        most = 2 * cost.returned + 100 if self.documents is None else self.documents
        seconds, cpu_seconds = self.seconds * time_factor, self.cpu_seconds * time_factor
        passed = {
            f"documents {cost.documents} > {most}": cost.documents > most,
            f"{cost.seconds:.2f} s > {seconds} s": cost.seconds > seconds,
            f"CPU {cost.cpu_seconds:.2f} s > {cpu_seconds} s": cost.cpu_seconds > cpu_seconds,
            f"memory {cost.memory_octets // MEGABYTE} MB > {self.memory // MEGABYTE} MB": (
                cost.memory_octets > self.memory
            ),
        }
        return [text for text, is_so in passed.items() if is_so]


def jobs(flow: Flow, inbox: Mailbox, size: Size) -> Iterator[Job]:
    """Give the jobs in the order in which they are to run: those that change little first."""
    yield from _router_jobs(flow.store, size)
    yield from _relay_jobs(flow.store)
    yield from _mailbox_jobs(flow.store, inbox, size)
    yield from _directory_jobs(flow)
    yield from _sweep_jobs(flow.store)


def _router_jobs(store: Store, size: Size) -> Iterator[Job]:
    now = now_utc()
    release = Release(store)
    backlog = dict.fromkeys(QueuePath, now - MARGIN) | {QueuePath.REMOTE: None, QueuePath.UNKNOWN: None}
    auditor = LedgerAuditor(store)
    rows_of_an_audit = (
        2 * 130 * (size.waiting // size.minutes + 2)
    )  # compared, and looked through for entries

    async def audit() -> None:
        await auditor.audit("bench")

    async def take_over() -> None:
        for _ in range(size.minutes // 60 + 2):
            await audit()

    async def bounces() -> None:
        await Flow(store).bouncer.work()

    yield Job("release: due rows, one site has most", lambda: release.due(now_utc(), _LIMIT))
    yield Job(
        "reconciler: lost tickets, relay has a backlog", lambda: release.lost(backlog, now, _LIMIT), 0.2
    )
    yield Job("depth: oldest open row", lambda: oldest_open(store), 0.2)
    yield Job("depth: progress of all consumers", lambda: read_progress(store, now), 0.2)
    # It reads one index key of each open row, and stops after its time limit.
    yield Job("backlog: open mails by tenant", lambda: count_backlog(store, 20_000), 20.0)
    yield Job("ledger: first audit of an auditor", audit, 10.0, 0.5, documents=rows_of_an_audit)
    whole = rows_of_an_audit * (size.minutes // 60 + 2)
    yield Job("ledger: audits until all minutes are known", take_over, 300.0, 10.0, documents=whole)
    yield Job("ledger: audit every 15 s", audit, 1.0, 0.05, documents=rows_of_an_audit)
    yield Job("bounces: none is due", bounces, 0.2)


def _relay_jobs(store: Store) -> Iterator[Job]:
    leases = Leases(store)
    held: list[Row] = []

    async def claim() -> None:
        query = {"state": "active", "due_at": {"$lt": now_utc()}}
        held.extend(await store.collection("spool").find(query).limit(200).to_list())
        await leases.claim([ticket_of(row) for row in held])

    async def renew() -> None:
        await leases.renew([ticket_of(row) for row in held])

    async def trace_one() -> None:
        await trace(store, held[0]["_id"])

    yield Job("relay: claim 200 legs", claim)
    yield Job("relay: renew 200 leases", renew)
    yield Job("trace of one message", trace_one, 0.2)
    yield Job(
        "install-check: latest callers",
        lambda: recent_client_addresses(store, 100),
        5.0,
        documents=10_000_000,
    )


def _mailbox_jobs(store: Store, inbox: Mailbox, size: Size) -> Iterator[Job]:
    mailboxes, messages = Mailboxes(store), Messages(store)
    last = inbox.uid_next - 1

    async def fetch() -> None:
        uids = list(range(last - 50, last))
        async for _ in messages.fetch(inbox, uids, ("envelope", "flags", "size", "internal_date")):
            pass

    async def flag() -> None:
        await messages.store(inbox, [last - 1], FlagChange.ADD, frozenset({"\\Flagged"}))

    large = 60.0 * max(0.05, size.messages / 1_000_000)
    yield Job(
        "SELECT: state of every message",
        lambda: messages.flag_states(inbox),
        large,
        large,
        max(100, 400 * size.messages // 1_000_000) * MEGABYTE,
    )
    yield Job(
        "news of a session", lambda: messages.changes(inbox.id, inbox.account, inbox.highest_modseq - 20), 0.5
    )
    yield Job("FETCH of 50 list columns", fetch, 0.5)
    yield Job("STORE of one flag", flag, 0.5)
    yield Job("LIST of one account", lambda: mailboxes.list(inbox.account), 0.2)
    yield Job("INBOX by name", lambda: mailboxes.get(inbox.account, "INBOX"), 0.2)


def _directory_jobs(flow: Flow) -> Iterator[Job]:
    addresses = [Address.parse(f"a{number}@one.test") for number in range(20)]
    accounts = Accounts(flow.store)
    yield Job("directory: where 20 addresses lead", lambda: flow.directory.expand_many(addresses), 0.5)
    yield Job("directory: login", lambda: accounts.entry_by_login(addresses[0]), 0.2)


def _sweep_jobs(store: Store) -> Iterator[Job]:
    settings = RouterSettings(hostname="mail.one.test", instance="bench")
    sweep = Sweep(store, settings)
    later = Sweep(store, settings, clock=lambda: now_utc() + timedelta(days=5))

    async def steps() -> None:
        for _ in range(10):
            await sweep.work()

    async def all_bodies() -> None:
        while await sweep.work():
            pass

    yield Job("sweep: ten steps over new bodies", steps, 20.0, 5.0)
    yield Job("sweep: until nothing is left to look at", all_bodies, 3600.0, 600.0)
    # A thousand bodies of mail that waits may be due to be looked at again.
    yield Job("sweep: nothing new", sweep.work, 1.0, 0.1)
    yield Job("sweep: a step over ended rows", later.work, 10.0, 1.0)


async def the_inbox(store: Store) -> Mailbox:
    """Return the mailbox that holds all messages."""
    row = await store.collection("mailboxes").find_one({}, sort=[("uid_next", -1)])
    assert row is not None
    account: ObjectId = row["account"]
    return await Mailboxes(store).by_id(account, row["_id"])
