"""The sink: takes mail for every domain, so that nothing leaves the machine in local mode.

    python -m mailyard.local.sink --port 2526                      counts and forgets
    python -m mailyard.local.sink --port 2526 --directory var/out  keeps NUMBER.eml and NUMBER.json (the envelope)

Recipients whose local part begins with `refuse` get 550, with `defer` 451: bounces and retries can be watched.
"""

import argparse
import asyncio
import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, cast

from mailyard.runtime.logs import configure_logs, get_logger
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.events import (
    BodyData,
    Closing,
    Credentials,
    Event,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
)
from mailyard.smtp.server.limits import Limits, Mode, Profile
from mailyard.smtp.server.session import Session

HOST: Final = "127.0.0.1"
NAME: Final = "sink.test"

_TAKEN: Final = reply(250, "2.0.0", "Taken by the sink")
_OK: Final = reply(250, "2.1.0", "Ok")
_RCPT_OK: Final = reply(250, "2.1.5", "Ok")
_REFUSED: Final = reply(550, "5.1.1", "The sink refuses recipients that begin with refuse")
_DEFERRED: Final = reply(451, "4.2.1", "The sink defers recipients that begin with defer")
_NO_LOGIN: Final = reply(535, "5.7.8", "The sink knows no logins")


@dataclass(frozen=True, slots=True)
class Taken:
    """One message."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes


class Box(Protocol):
    """Where messages go; `keeps_octets`: else it never sees any."""

    keeps_octets: bool

    def keep(self, taken: Taken) -> None:
        """Have one more."""


class Counter:
    """Counts and forgets."""

    keeps_octets = False

    def __init__(self) -> None:
        self.messages = 0
        self.recipients = 0

    def keep(self, taken: Taken) -> None:
        """Count one more."""
        self.messages += 1
        self.recipients += len(taken.recipients)


class Memory:
    """Keeps everything, for tests."""

    keeps_octets = True

    def __init__(self) -> None:
        self.messages: list[Taken] = []

    def keep(self, taken: Taken) -> None:
        """Have one more."""
        self.messages.append(taken)


class Directory:
    """Keeps each message in a file, octet for octet, and its envelope beside it."""

    keeps_octets = True

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._number = max((int(file.stem) for file in path.glob("*.eml") if file.stem.isdigit()), default=0)

    def keep(self, taken: Taken) -> None:
        """Write one more; the .eml comes last, so that whoever sees it finds both."""
        self._number += 1
        envelope = {"sender": taken.sender, "recipients": taken.recipients}
        self._path.joinpath(f"{self._number:08}.json").write_text(json.dumps(envelope), encoding="utf-8")
        self._path.joinpath(f"{self._number:08}.eml").write_bytes(taken.octets)


def decide(recipient: RcptTo) -> Reply:
    """What a recipient is told."""
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
        """Do what is asked and say so in one write."""
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

    def __init__(self, box: Box, *, host: str = HOST, port: int = 0, limits: Limits | None = None) -> None:
        """Port 0: any; `port` tells which once it listens."""
        self._profile = Profile(Mode.MX, NAME, limits or Limits(commands=1 << 62))
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


async def _serve(box: Box, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Sink(box, host=host, port=port) as sink:
        get_logger(__name__).info("sink.listening", host=host, port=sink.port)
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sink until it is told to stop."""
    parser = argparse.ArgumentParser(prog="mailyard.local.sink", description="Takes mail for every domain.")
    parser.add_argument("--host", default=HOST, help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--directory", type=Path, help="keep messages here; without it they are counted only")
    given = parser.parse_args(arguments)
    configure_logs("sink")
    asyncio.run(_serve(Directory(given.directory) if given.directory else Counter(), given.host, given.port))


if __name__ == "__main__":
    main()
