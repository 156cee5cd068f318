"""Sessions learn of changes by events; one query per process, not one per session, finds what an event did not say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from bson import ObjectId

from mailyard.imap_server.session import watch as module
from mailyard.imap_server.session.watch import MailboxWatch
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.runtime.errors import Unavailable

Callback = Callable[[MailboxEvent], None]
HOUR = 3600.0


class Events:
    """The events of the process, by hand."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Callback] = {}

    async def subscribe(self, mailbox_id: str, callback: Callback) -> None:
        assert mailbox_id not in self.callbacks, "one subscription for each mailbox of the process"
        self.callbacks[mailbox_id] = callback

    async def unsubscribe(self, mailbox_id: str, callback: Callback) -> None:
        del self.callbacks[mailbox_id]

    def begin(self) -> None:
        """All mailboxes' events begin to arrive, as after a reconnection."""
        for mailbox, callback in self.callbacks.items():
            callback(MailboxEvent(mailbox=mailbox))


class Rows:
    """The mailbox rows."""

    def __init__(self) -> None:
        self.modseqs: dict[ObjectId, int] = {}
        self.queries: list[int] = []
        self.failures = 0

    async def __call__(self, mailboxes: Iterable[ObjectId]) -> dict[ObjectId, int]:
        asked = list(mailboxes)
        self.queries.append(len(asked))
        if self.failures:
            self.failures -= 1
            raise Unavailable("unreachable")
        return {each: self.modseqs[each] for each in asked if each in self.modseqs}


class ImapSession:
    def __init__(self) -> None:
        self.told: list[MailboxEvent] = []

    def __call__(self, event: MailboxEvent) -> None:
        self.told.append(event)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.01)
    return Rows()


@pytest.fixture
async def start(events: Events, rows: Rows) -> AsyncIterator[Callable[[float], MailboxWatch]]:
    started: list[MailboxWatch] = []

    def make(seconds: float) -> MailboxWatch:
        started.append(MailboxWatch(events, rows, seconds))
        return started[0]

    yield make
    await started[0].close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # conditions of other objects
            await asyncio.sleep(0.01)


async def test_after_a_reconnection_ten_thousand_mailboxes_cost_ten_queries_and_wake_who_has_news(
    start: Callable[[float], MailboxWatch], events: Events, rows: Rows
) -> None:
    watch = start(HOUR)
    await watch.start()
    sessions = {ObjectId(): ImapSession() for _ in range(10_000)}
    for mailbox, session in sessions.items():
        rows.modseqs[mailbox] = 5
        await watch.subscribe(str(mailbox), session)
        events.callbacks[str(mailbox)](MailboxEvent(mailbox=str(mailbox), account="a", highest_modseq=5))
        session.told.clear()
    changed = next(iter(sessions))
    rows.modseqs[changed] = 6
    events.begin()
    await until(lambda: sum(rows.queries) == 10_000)
    assert rows.queries == [1_000] * 10
    assert {mailbox for mailbox, session in sessions.items() if session.told} == {changed}
    assert [event.highest_modseq for event in sessions[changed].told] == [6]


async def test_a_change_whose_event_was_lost_and_a_deletion_are_found_by_the_next_comparison(
    start: Callable[[float], MailboxWatch], rows: Rows
) -> None:
    kept, deleted, quiet = ObjectId(), ObjectId(), ObjectId()
    sessions = {each: ImapSession() for each in (kept, deleted, quiet)}
    rows.modseqs = dict.fromkeys(sessions, 3)
    watch = start(0.2)
    for mailbox, session in sessions.items():
        await watch.subscribe(str(mailbox), session)
    await watch.start()
    await until(lambda: all(session.told for session in sessions.values()))
    for session in sessions.values():
        session.told.clear()
    rows.modseqs[kept] = 4
    del rows.modseqs[deleted]
    await until(lambda: bool(sessions[kept].told and sessions[deleted].told))
    assert sessions[quiet].told == []
    assert set(rows.queries) == {3}


async def test_sessions_of_one_mailbox_share_one_subscription_and_the_last_one_ends_it(
    start: Callable[[float], MailboxWatch], events: Events
) -> None:
    watch = start(HOUR)
    mailbox, first, second = str(ObjectId()), ImapSession(), ImapSession()
    await watch.subscribe(mailbox, first)
    await watch.subscribe(mailbox, second)
    events.callbacks[mailbox](MailboxEvent(mailbox=mailbox, account="a", origin="x"))
    assert len(first.told) == len(second.told) == 1
    await watch.unsubscribe(mailbox, first)
    events.callbacks[mailbox](MailboxEvent(mailbox=mailbox, account="a"))
    assert (len(first.told), len(second.told)) == (1, 2)
    await watch.unsubscribe(mailbox, second)
    assert events.callbacks == {}


async def test_a_comparison_that_fails_is_made_again(
    start: Callable[[float], MailboxWatch], events: Events, rows: Rows
) -> None:
    watch = start(HOUR)
    await watch.start()
    mailbox, session = ObjectId(), ImapSession()
    rows.modseqs[mailbox] = 2
    rows.failures = 2
    await watch.subscribe(str(mailbox), session)
    events.begin()
    await until(lambda: bool(session.told))
    assert rows.queries == [1, 1, 1]
