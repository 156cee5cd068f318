"""Verdicts of the filter before a message is accepted: a rejection is a 5xx, everything else the normal way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from mailyard.proto.v1.ticket_pb2 import Action, JudgeRequest, JudgeResponse, Verdict
from mailyard.smtp_in.filterclient import FilterClient
from mailyard.smtp_in.inline import InlineFilter, refusal_of
from mailyard.smtp_in.listeners import ListenerName
from mailyard.smtp_in.settings import SmtpInSettings

REJECT = Verdict(action=Action.ACTION_REJECT, status="5.7.9", text="no programs")
PASS = Verdict(action=Action.ACTION_PASS)


def response(*verdicts: Verdict, status: int = 200) -> bytes:
    body = JudgeResponse(verdicts=verdicts).SerializeToString()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@dataclass
class FakeFilter:
    """An HTTP server that answers every request with the same octets; None: never."""

    answer: Callable[[JudgeRequest], bytes] | bytes | None = None
    requests: list[JudgeRequest] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("POST /judge HTTP/1.1\r\n")
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        request = JudgeRequest.FromString(await reader.readexactly(length))
        self.requests.append(request)
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer(request) if callable(self.answer) else self.answer)
            await writer.drain()
        writer.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeFilter]:
    made = FakeFilter()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


def hook(
    house, fake: FakeFilter, seconds: float = 10, at_once: int = 4, listeners=("mx", "lmtp")
) -> InlineFilter:
    made = InlineFilter(FilterClient(fake.url, seconds), listeners, house.memory, at_once=at_once)
    house.more_hooks = [made]
    return made


def marks(house) -> list[str]:
    return [f"{each.check}/{each.rule}" for each in house.spool.accepted[-1].findings]


async def test_a_rejection_is_a_5xx_in_the_dialogue_and_nothing_is_stored(house, fake) -> None:
    fake.answer = response(REJECT)
    hook(house, fake)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    assert await client.message("x") == "550 5.7.9 no programs"
    assert house.spool.accepted == []


@pytest.mark.parametrize(
    "action", [Action.ACTION_PASS, Action.ACTION_TAG, Action.ACTION_QUARANTINE, Action.ACTION_DISCARD]
)
async def test_whatever_is_no_rejection_takes_the_normal_way(house, fake, action) -> None:
    fake.answer = response(Verdict(action=action))
    hook(house, fake)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    assert (await client.message("x"))[:3] == "250"
    assert marks(house) == []


async def test_the_filter_is_asked_about_the_message_as_it_will_be_in_the_queue(house, fake) -> None:
    fake.answer = response(PASS)
    hook(house, fake)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test", "cat@two.test", "bob@one.test")
    await client.message("Subject: x\r\n\r\nhello")
    (request,) = fake.requests
    assert request.octets == b"Subject: x\r\n\r\nhello\r\n"
    legs = [(leg.tenant, leg.site, [each.address for each in leg.recipients]) for leg in request.legs]
    assert legs == [("one", "", ["ann@one.test", "bob@one.test"]), ("two", "", ["cat@two.test"])]
    leg = request.legs[0]
    assert (leg.sender, leg.size) == ("x@there.test", len(request.octets))
    assert (leg.origin.source, leg.origin.client_address, leg.origin.helo) == (
        "mx",
        "127.0.0.1",
        "client.test",
    )
    assert leg.prefix.startswith(b"Received: from client.test")


async def test_a_message_that_one_of_its_recipients_may_have_is_accepted(house, fake) -> None:
    fake.answer = response(REJECT, PASS)
    hook(house, fake)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test", "cat@two.test")
    assert (await client.message("x"))[:3] == "250"


async def test_remote_recipients_of_a_user_are_legs_by_domain(house, fake) -> None:
    fake.answer = response(PASS)
    hook(house, fake, listeners=("submission",))
    client = await house.submission()
    await client.envelope("a@far.test", "bob@one.test", "b@far.test", sender="ann@one.test")
    assert (await client.message("From: ann@one.test\r\n\r\nx"))[:3] == "250"
    legs = [(leg.tenant, leg.site, len(leg.recipients)) for leg in fake.requests[0].legs]
    assert legs == [("one", "far.test", 2), ("one", "", 1)]


async def test_a_large_body_is_in_the_store_and_is_not_sent(house, fake) -> None:
    fake.answer = response(PASS)
    hook(house, fake)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    assert (await client.message(("x" * 900 + "\r\n") * 700))[:3] == "250"
    (request,) = fake.requests
    body = house.spool.accepted[0].body
    assert (request.octets, request.legs[0].blob_id) == (b"", body.blob_id.binary)
    assert request.legs[0].size == body.size


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xff",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        response(REJECT, status=503),
        response(REJECT, status=500),
    ],
)
async def test_without_an_answer_in_time_the_message_takes_the_normal_way(house, fake, answer) -> None:
    fake.answer = answer
    hook(house, fake, seconds=0.3)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    assert (await client.message("\r\nkept"))[:3] == "250"
    assert house.spool.stored() == b"\r\nkept\r\n"
    assert marks(house) == ["inline/unavailable"]


async def test_a_filter_that_is_not_there_is_no_obstacle(house, fake) -> None:
    fake.url = "http://127.0.0.1:1"
    hook(house, fake)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    assert (await client.message("x"))[:3] == "250"
    assert marks(house) == ["inline/unavailable"]


async def test_beyond_the_limit_of_questions_messages_are_accepted_without(house, fake, eventually) -> None:
    hook(house, fake, seconds=30, at_once=1)
    listener = await house.open()
    waiting, other = await house.client(listener), await house.client(listener)
    await waiting.envelope("ann@one.test")
    await waiting.ask("DATA")
    waiting.send(b"x\r\n.\r\n")
    await eventually(lambda: len(fake.requests) == 1)
    await other.envelope("ann@one.test")
    assert (await other.message("y"))[:3] == "250"
    assert marks(house) == ["inline/busy"]


async def test_octets_of_a_question_count_in_the_budget_of_memory(house, fake, eventually) -> None:
    hook(house, fake, seconds=30)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    await client.ask("DATA")
    client.send(b"x" * 900 + b"\r\n" + (b"x" * 900 + b"\r\n") * 99 + b".\r\n")
    await eventually(lambda: len(fake.requests) == 1)
    assert house.memory.held > 300_000
    client.reset()
    await eventually(lambda: house.memory.held < 300_000)


async def test_a_message_that_goes_too_many_ways_is_not_asked_about(house, fake) -> None:
    hook(house, fake, listeners=("submission",))
    client = await house.submission()
    await client.envelope(*(f"a@far{number}.test" for number in range(21)), sender="ann@one.test")
    assert (await client.message("From: ann@one.test\r\n\r\nx"))[:3] == "250"
    assert (marks(house), fake.requests) == (["inline/too-many-legs"], [])


async def test_listeners_that_are_not_named_ask_nothing(house, fake) -> None:
    hook(house, fake, listeners=("lmtp",))
    client = await house.client(await house.open(ListenerName.MX))
    await client.envelope("ann@one.test")
    assert (await client.message("x"))[:3] == "250"
    assert (marks(house), fake.requests) == ([], [])


async def test_every_recipient_of_lmtp_gets_the_refusal(house, fake) -> None:
    fake.answer = response(REJECT)
    hook(house, fake)
    client = await house.client(await house.open(ListenerName.LMTP), "LHLO client.test")
    await client.envelope("ann@one.test", "bob@one.test")
    assert await client.message("x") == "550 5.7.9 no programs"
    assert await client.reply() == "550 5.7.9 no programs"


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict(action=Action.ACTION_REJECT, status="4.7.1", text="x"), b"550 5.7.1 x\r\n"),
        (
            Verdict(action=Action.ACTION_REJECT, status="5.7.1", text="grüße\r\n250 Ok"),
            b"550 5.7.1 gr??e 250 Ok\r\n",
        ),
    ],
)
def test_the_words_of_a_verdict_make_one_reply_line(verdict, expected) -> None:
    assert refusal_of([verdict]).wire == expected


def test_a_long_text_is_cut() -> None:
    verdict = Verdict(action=Action.ACTION_REJECT, status="5.7.1", text="x" * 5000)
    assert len(refusal_of([verdict]).wire) <= 512
    assert refusal_of([]) is None


def test_listeners_without_a_filter_are_a_mistake() -> None:
    with pytest.raises(ValidationError, match="inline_listeners needs inline_url"):
        SmtpInSettings(inline_listeners=("mx",))
    assert SmtpInSettings().inline_listeners == ()
