"""The sink: takes mail for every domain, so that nothing leaves the machine or the cluster in trials.

Recipients whose local part begins with `refuse` get 550, with `defer` 451: bounces and retries can be watched.
"""

import asyncio
from types import TracebackType
from typing import Final, Self, cast

from mailyard.probe.boxes import Box, Taken
from mailyard.sasl.mechanism import Credentials
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.events import (
    BodyData,
    Closing,
    Event,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
)
from mailyard.smtp.server.limits import Mode, Profile, SmtpLimits
from mailyard.smtp.server.session import Session

HOST: Final = "127.0.0.1"
NAME: Final = "sink.test"

_TAKEN: Final = reply(250, "2.0.0", "Taken by the sink")
_OK: Final = reply(250, "2.1.0", "Ok")
_RCPT_OK: Final = reply(250, "2.1.5", "Ok")
_REFUSED: Final = reply(550, "5.1.1", "The sink refuses recipients that begin with refuse")
_DEFERRED: Final = reply(451, "4.2.1", "The sink defers recipients that begin with defer")
_NO_LOGIN: Final = reply(535, "5.7.8", "The sink knows no logins")


def decide(recipient: RcptTo) -> Reply:
    """Return the reply to a recipient."""
    match recipient.path.local:
        case local if local.startswith("refuse"):
            return _REFUSED
        case local if local.startswith("defer"):
            return _DEFERRED
        case _:
            return _RCPT_OK


class _Connection(asyncio.Protocol):
    """One client; everything is answered at once."""

    def __init__(self, profile: Profile, box: Box) -> None:
        self._session = Session(profile)
        self._box = box
        self._pieces: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._session.take_output())

    def data_received(self, data: bytes) -> None:
        """Handle the commands, and send all replies in one write."""
        session = self._session
        session.receive(data)
        closing = False
        while (event := session.next_event()) is not None:
            closing = isinstance(event, Closing)
            self._handle(event)
        assert self._transport is not None
        self._transport.write(session.take_output())
        if closing:
            self._transport.close()

    def _handle(self, event: Event) -> None:
        session = self._session
        match event:
            case MailFrom():
                session.answer(_OK)
            case RcptTo():
                session.answer(decide(event))
            case BodyData():
                if self._box.keeps_octets:
                    self._pieces.append(event.data)
            case MessageEnd():
                self._box.keep(self._taken())
                session.answer(_TAKEN)
            case MessageAborted():
                self._pieces.clear()
            case Credentials():
                session.answer(_NO_LOGIN)

    def _taken(self) -> Taken:
        mail = self._session.mail
        assert mail is not None
        octets = b"".join(self._pieces)
        self._pieces.clear()
        recipients = tuple(str(recipient.path) for recipient in self._session.recipients)
        return Taken(str(mail.path), recipients, octets)


class Sink:
    """A listener: `async with Sink(Memory()) as sink: … sink.port`."""

    def __init__(
        self, box: Box, *, host: str = HOST, port: int = 0, limits: SmtpLimits | None = None
    ) -> None:
        """Port 0: any; `port` is the chosen one once it listens."""
        self._profile = Profile(Mode.MX, NAME, limits or SmtpLimits(commands=1 << 62), nul=None)
        self._box = box
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._profile, self._box), self._host, self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
