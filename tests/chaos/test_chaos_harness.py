"""The harness against a fake server with one fault at a time: it must find exactly that fault."""

import asyncio

import pytest

from tests.chaos import mails, verdict
from tests.chaos.fake_system import FakeSystem, Flaw
from tests.chaos.observers import Collector, ImapServer, Observer
from tests.chaos.senders import Book, Senders
from tests.chaos.verdict import Verdict
from tests.trial.waiting import until

MAILBOXES = tuple(f"user{number:02d}@chaos.test" for number in range(4))


async def six_more_rounds(observers: list[Observer]) -> None:
    wanted = [observer.rounds + 6 for observer in observers]
    await until(
        lambda: all(observer.rounds >= rounds for observer, rounds in zip(observers, wanted, strict=True)),
        seconds=20,
        what="six more rounds of every observer",
    )


async def send_and_judge(flaw: Flaw) -> Verdict:
    async with FakeSystem(flaw) as fake:
        server = ImapServer("127.0.0.1", fake.imap_port, dict.fromkeys(MAILBOXES, "secret"))
        observers = [
            Observer(server, login, idles=index % 2 == 0, pause_seconds=0.4)
            for index, login in enumerate(MAILBOXES)
        ]
        watching = [asyncio.create_task(observer.run()) for observer in observers]
        book = Book(seed=3)
        todo = mails.plan(3, 120, MAILBOXES)
        await Senders(("127.0.0.1", fake.smtp_port), book, todo, lambda elapsed: 120 * elapsed).run(
            connections=6
        )
        await six_more_rounds(observers)
        for task in watching:
            task.cancel()
        collector = Collector(server)
        for login in MAILBOXES:
            await collector.collect(login)
        complaints = [line for observer in observers for line in observer.view.complaints]
        return verdict.judge(
            book.attempts.values(), collector.arrivals, complaints + collector.complaints, unaccounted=0
        )


async def test_a_faithful_server_gets_a_clean_verdict() -> None:
    judged = await send_and_judge(Flaw.NONE)
    assert judged.clean, judged.table()


@pytest.mark.parametrize(
    ("flaw", "finding"),
    [
        (Flaw.LOSE, verdict.LOST),
        (Flaw.DOUBLE, verdict.DOUBLED),
        (Flaw.CHANGE, verdict.CHANGED),
        (Flaw.INVENT, verdict.UNEXPECTED),
        (Flaw.LATE, verdict.ORDER),
    ],
)
async def test_each_flaw_is_found_and_named(flaw: Flaw, finding: str) -> None:
    judged = await send_and_judge(flaw)
    assert judged.count(finding) > 0, judged.table()
    others = [one.what for one in judged.findings if not one.clean and one.what != finding]
    assert others in ([], [verdict.DOUBLED]), judged.table()  # a recipient too many may also be a double
