"""Verdicts over HTTP before a message is accepted: what is answered, and what is not even read."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Route
from mailyard.filter.check import Check
from mailyard.filter.contents import ContentReader, Wish
from mailyard.filter.inline import InlineJudge
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.pipeline import Pipeline
from mailyard.proto.v1.ticket_pb2 import Action, JudgeRequest, JudgeResponse, Origin, Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.spool.finding import Finding

BLOB = ObjectId()


class Bodies(ContentReader):
    """Bodies from memory."""

    def __init__(self, stored: Mapping[ObjectId, bytes]) -> None:
        self._limits = {Need.ENVELOPE: 0, Need.HEADER: 8, Need.CONTENT: 16, Need.WHOLE: 16}
        self._stored = stored

    async def read(self, wishes: Collection[Wish]) -> Mapping[ObjectId, bytes]:
        return {
            each.blob_id: self._stored[each.blob_id][: self._limits[each.need]]
            for each in wishes
            if each.blob_id in self._stored
        }

    async def stream(self, blob_id: ObjectId) -> AsyncIterator[bytes]:
        yield self._stored[blob_id]


class Words(Check):
    """Rejects messages with the word `bad`, and remote ones with `secret`."""

    name = "words"

    def __init__(self, need: Need = Need.WHOLE) -> None:
        self._need = need

    def needs(self, envelope: MailEnvelope) -> Need:
        return self._need

    async def examine(self, mail: Mail) -> Sequence[Finding]:
        octets = b"".join([piece async for piece in mail.octets()])
        if b"down" in octets:
            raise Unavailable("the engine is unreachable")
        is_bad = b"bad" in octets or (b"secret" in octets and mail.envelope.direction is Route.REMOTE)
        return [Finding(self.name, "x", Action.ACTION_REJECT, "no", "5.7.9")] if is_bad else []


def leg(octets: bytes, site: str = "") -> Ticket:
    return Ticket(
        tenant="t",
        sender="a@b.test",
        blob_id=BLOB.binary,
        size=len(octets),
        site=site,
        origin=Origin(source="mx"),
    )


def app(stored: bytes | None = None, check: Check | None = None) -> InlineJudge:
    bodies = {} if stored is None else {BLOB: stored}
    return InlineJudge(Pipeline([check or Words()]), Bodies(bodies), 1000)


async def ask(
    judge: InlineJudge, body: bytes, method: str = "POST", path: str = "/judge"
) -> tuple[int, bytes]:
    events = [
        {"type": "http.request", "body": body[:10], "more_body": True},
        {"type": "http.request", "body": body[10:], "more_body": False},
    ]
    sent = []

    async def receive():
        return events.pop(0)

    async def send(event):
        sent.append(event)

    await judge({"type": "http", "method": method, "path": path}, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def verdicts(judge: InlineJudge, request: JudgeRequest) -> list[int]:
    status, body = await ask(judge, request.SerializeToString())
    assert status == 200, body
    return [verdict.action for verdict in JudgeResponse.FromString(body).verdicts]


@pytest.mark.parametrize(
    ("octets", "action"),
    [
        (b"good", Action.ACTION_PASS),
        (b"this is bad, and longer", Action.ACTION_REJECT),
        (b"", Action.ACTION_PASS),
    ],
)
async def test_a_body_that_comes_with_the_question_is_judged(octets, action):
    assert await verdicts(app(), JudgeRequest(legs=[leg(octets)], octets=octets)) == [action]


async def test_mail_from_outside_is_rejected_here_because_nothing_bounces():
    status, body = await ask(app(), JudgeRequest(legs=[leg(b"bad")], octets=b"bad").SerializeToString())
    (verdict,) = JudgeResponse.FromString(body).verdicts
    assert (status, verdict.action, verdict.status, verdict.text) == (
        200,
        Action.ACTION_REJECT,
        "5.7.9",
        "no",
    )


async def test_each_leg_is_judged_for_itself():
    request = JudgeRequest(legs=[leg(b"secret"), leg(b"secret", "far.test")], octets=b"secret")
    assert await verdicts(app(), request) == [Action.ACTION_PASS, Action.ACTION_REJECT]


async def test_a_large_body_is_read_from_the_store():
    stored = b"x" * 50 + b"bad"
    assert await verdicts(app(stored), JudgeRequest(legs=[leg(stored)])) == [Action.ACTION_REJECT]


async def test_a_body_that_is_not_in_the_store_has_no_verdict():
    status, body = await ask(app(), JudgeRequest(legs=[leg(b"x" * 50)]).SerializeToString())
    assert (status, b"is not in the store" in body) == (503, True)


async def test_a_check_that_cannot_say_anything_gives_no_verdict():
    status, body = await ask(app(), JudgeRequest(legs=[leg(b"down")], octets=b"down").SerializeToString())
    assert (status, body) == (503, b"words: the engine is unreachable\n")


async def test_large_bodies_are_judged_a_few_at_a_time():
    judge = app(b"x" * 50)
    for _ in range(4):
        await judge._large.acquire()
    status, _ = await ask(judge, JudgeRequest(legs=[leg(b"x" * 50)]).SerializeToString())
    assert status == 503


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/judge", b"", 405),
        ("POST", "/", b"", 404),
        ("POST", "/judge", b"x" * 1001, 413),
        ("POST", "/judge", b"\xff\xff", 400),
        ("POST", "/judge", b"", 400),
        ("POST", "/judge", JudgeRequest(legs=[Ticket(tenant="t")]).SerializeToString(), 400),
        ("POST", "/judge", JudgeRequest(legs=[Ticket()] * 101).SerializeToString(), 400),
    ],
)
async def test_what_is_no_question_is_refused(method, path, body, status):
    assert (await ask(app(), body, method, path))[0] == status


async def test_only_the_envelope_is_looked_at_where_that_is_enough():
    request = JudgeRequest(legs=[leg(b"x" * 50)])
    assert await verdicts(app(check=Words(Need.ENVELOPE)), request) == [Action.ACTION_PASS]
