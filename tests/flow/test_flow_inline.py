"""smtp-in asks the filter over HTTP: both real sides, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from bson import ObjectId

from mailyard.filter.check import Check
from mailyard.filter.contents import ContentReader
from mailyard.filter.inline import InlineJudge, InlineServer
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.pipeline import Pipeline
from mailyard.proto.v1.ticket_pb2 import Action, JudgeRequest, Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.smtp_in.filterclient import FilterClient
from mailyard.spool.finding import Finding


class Words(Check):
    """Rejects messages with the word `bad`; waits for `gate` first."""

    name = "words"

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    def needs(self, envelope: MailEnvelope) -> Need:
        return Need.CONTENT

    async def examine(self, mail: Mail) -> Sequence[Finding]:
        self.asked += 1
        await self.gate.wait()
        found = Finding(self.name, "bad", Action.ACTION_REJECT, "no", "5.7.9")
        return [found] if b"bad" in mail.start else []


@pytest.fixture
def check() -> Words:
    return Words()


@pytest.fixture
async def client(check: Words) -> AsyncIterator[FilterClient]:
    judge = InlineJudge(Pipeline([check]), ContentReader(cast("Any", None), 1 << 20), 300_000)
    server = InlineServer(judge, "127.0.0.1", 0, requests=2)
    await server.start()
    yield FilterClient(f"http://127.0.0.1:{server.port}", 10)
    check.gate.set()
    await server.close()


def question(octets: bytes) -> JudgeRequest:
    leg = Ticket(tenant="t", sender="a@b.test", blob_id=ObjectId().binary, size=len(octets))
    return JudgeRequest(legs=[leg], octets=octets)


@pytest.mark.parametrize(
    ("octets", "action"),
    [(b"\r\ngood\r\n", Action.ACTION_PASS), (b"\r\n" + b"x" * 250_000 + b"bad", Action.ACTION_REJECT)],
)
async def test_a_question_has_its_answer(client: FilterClient, octets: bytes, action: Action) -> None:
    (verdict,) = (await client.judge(question(octets))).verdicts
    assert verdict.action == action


async def test_a_question_that_is_too_large_has_none(client: FilterClient) -> None:
    with pytest.raises(Unavailable):
        await client.judge(question(b"x" * 300_000))
    assert (await client.judge(question(b"x"))).verdicts


async def test_questions_beyond_the_limit_are_turned_away_at_once(client: FilterClient, check: Words) -> None:
    check.gate.clear()
    answers = []
    for number in range(2):
        answers.append(asyncio.create_task(client.judge(question(b"x"))))
        async with asyncio.timeout(10):
            while check.asked <= number:  # noqa: ASYNC110  # there is no event to wait for
                await asyncio.sleep(0.005)
    with pytest.raises(Unavailable, match="503"):
        await client.judge(question(b"x"))
    check.gate.set()
    assert all(answer.verdicts for answer in await asyncio.gather(*answers))
