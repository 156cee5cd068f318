"""Verdicts before a message is accepted: smtp-in asks over HTTP, within the SMTP dialogue.

POST /judge with a `JudgeRequest`; the answer is 200 with a `JudgeResponse`, or 503 when a check cannot say anything. A
small body comes with the request, a large one is read from the store as in the queue. Nothing is written.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from bson import ObjectId
from google.protobuf.message import DecodeError
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from mailyard.broker.pipeline import Route
from mailyard.filter.contents import ContentReader, Wish
from mailyard.filter.mail import BodyReader, Mail, MailEnvelope, Need, envelope_of, mail_of
from mailyard.filter.pipeline import Pipeline
from mailyard.proto.v1.ticket_pb2 import JudgeRequest, JudgeResponse, Ticket, Verdict
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.health import HttpServer
from mailyard.runtime.metrics import counter

_MOST_LEGS = 100
_LARGE_AT_ONCE = 4  # bodies that are read from the store at the same time


class InlineJudge:
    """The ASGI app that answers questions of smtp-in."""

    def __init__(self, pipeline: Pipeline, contents: ContentReader, most_octets: int) -> None:
        """Judge with the checks of the queue; a request of more than `most_octets` is not read."""
        self._pipeline = pipeline
        self._contents = contents
        self._most_octets = most_octets
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._requests = counter("mailyard_filter_inline_requests_total")

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope["method"], scope["path"], receive)
        self._requests.labels(str(status)).inc()
        headers = [
            (b"content-type", b"application/x-protobuf" if status == 200 else b"text/plain"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, method: str, path: str, receive: ASGIReceiveCallable) -> tuple[int, bytes]:
        if path != "/judge":
            return 404, b"here is /judge\n"
        if method != "POST":
            return 405, b"only POST\n"
        octets = await _received(receive, self._most_octets)
        if octets is None:
            return 413, b"the request is too large\n"
        try:
            request = JudgeRequest.FromString(octets)
        except DecodeError:
            return 400, b"this is no JudgeRequest\n"
        if not 0 < len(request.legs) <= _MOST_LEGS or any(len(leg.blob_id) != 12 for leg in request.legs):
            return 400, b"a JudgeRequest has 1 to 100 legs, each with a blob_id\n"
        try:
            return 200, (await self.judge(request)).SerializeToString()
        except Unavailable as error:
            return 503, f"{error}\n".encode()

    async def judge(self, request: JudgeRequest) -> JudgeResponse:
        """Return a verdict on each leg.

        Raises:
            Unavailable: a check cannot say anything about a leg, or the body is not in the store.

        """
        envelopes = [envelope_of(leg, Route.REMOTE if leg.site else Route.LOCAL) for leg in request.legs]
        need = max(map(self._pipeline.needs, envelopes))
        if request.octets or need is Need.ENVELOPE or not request.legs[0].size:
            mails = self._mails(request, envelopes, need, request.octets, _held(request.octets))
            judged = await self._pipeline.judge(mails, is_before_queue=True)
        elif self._large.locked():
            raise Unavailable("too many large messages are being judged")
        else:
            async with self._large:
                start = await self._stored(request.legs[0], need)
                mails = self._mails(request, envelopes, need, start, self._contents.stream)
                judged = await self._pipeline.judge(mails, is_before_queue=True)
        return JudgeResponse(verdicts=[_known(each) for each in judged])

    async def _stored(self, leg: Ticket, need: Need) -> bytes:
        blob_id = ObjectId(leg.blob_id)
        found = await self._contents.read([Wish(blob_id, leg.size, need)])
        if blob_id not in found:
            raise Unavailable(f"the body {blob_id} is not in the store")
        return found[blob_id]

    def _mails(
        self,
        request: JudgeRequest,
        envelopes: Sequence[MailEnvelope],
        need: Need,
        octets: bytes,
        read_body: BodyReader,
    ) -> list[Mail]:
        start = octets[: self._contents.octets(len(octets), need)]
        return [
            mail_of(leg, envelope, start, need, read_body)
            for leg, envelope in zip(request.legs, envelopes, strict=True)
        ]


class InlineServer(HttpServer):
    """Serves an `InlineJudge` at a port of its own, so that its load keeps nobody from /livez (a `Component`)."""

    name = "inline"

    def __init__(self, judge: InlineJudge, host: str, port: int, *, requests: int) -> None:
        """Answer at most `requests` questions at the same time; others get 503 at once."""
        super().__init__(judge, host, port, connections=requests + 1)  # the one that is turned away

    def not_ready_reason(self) -> str | None:
        """Return None: without it, smtp-in goes on without verdicts."""
        return None

    async def drain(self) -> None:
        """Do nothing: `close` gives requests a second to end."""


def _held(octets: bytes) -> BodyReader:
    async def read(_blob_id: ObjectId) -> AsyncIterator[bytes]:
        yield octets

    return read


def _known(verdict: Verdict | Unavailable) -> Verdict:
    if isinstance(verdict, Unavailable):
        raise verdict
    return verdict


async def _received(receive: ASGIReceiveCallable, most: int) -> bytes | None:
    """Return the body of a request, None when it is larger than `most` octets."""
    octets = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None  # the client has gone
        octets += event["body"]
        if len(octets) > most:
            return None
        if not event["more_body"]:
            return bytes(octets)
