"""Observers continue after their connections fail, and an observer that ends is reported."""

import asyncio
from collections.abc import Callable

import pytest

from tests.chaos.observers import ImapServer, Observer
from tests.chaos.reading import watching
from tests.trial.waiting import until

LOGIN = "user00@chaos.test"


async def hangs_up_in_idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serves one round and closes while the client waits in IDLE."""
    writer.write(b"* OK ready\r\n")
    while line := await reader.readline():
        tag, command = line.split()[:2]
        match command:
            case b"EXAMINE":
                writer.write(b"* 0 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 1]\r\n")
            case b"IDLE":
                writer.write(b"+ idling\r\n")
                await writer.drain()
                break
        writer.write(tag + b" OK done\r\n")
    writer.close()


async def resets_in_idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same with a reset in place of an orderly end."""
    await hangs_up_in_idle(reader, _Resetting(writer))  # type: ignore[arg-type]


class _Resetting:
    """A writer whose close cuts."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.write = writer.write
        self.drain = writer.drain

    def close(self) -> None:
        self._writer.transport.abort()


@pytest.mark.parametrize("serve", [hangs_up_in_idle, resets_in_idle])
async def test_an_idle_that_is_cut_off_is_begun_anew(serve: Callable[..., object]) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]
    port = server.sockets[0].getsockname()[1]
    observer = Observer(ImapServer("127.0.0.1", port, {LOGIN: "secret"}), LOGIN, idles=True)
    async with watching([observer]):
        await until(lambda: observer.reconnects >= 3, seconds=20, what="three reconnections")
    server.close()


async def test_an_observer_that_ends_by_itself_is_reported() -> None:
    class Broken(Observer):
        async def run(self) -> None:
            raise ValueError("sees nothing any more")

    broken = Broken(ImapServer("127.0.0.1", 1, {LOGIN: "secret"}), LOGIN, idles=True)
    with pytest.raises(ValueError, match="sees nothing any more"):
        async with watching([broken]):
            await asyncio.sleep(0.01)
