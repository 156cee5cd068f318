"""A TCP proxy between the services and the broker or the store, which cuts and stalls connections.

Octets that it has read but not passed on are lost when a connection is cut, as on a network that fails.
"""

import asyncio
import contextlib
import random
import socket
import struct
from enum import Enum
from typing import Self

CHUNK = 64 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends RST, socket(7)


class Direction(Enum):
    """Which way a stall holds octets back."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"
    BOTH = "both ways"


class FaultProxy:
    """Listens on a loopback port and passes octets to one upstream; faults are methods."""

    def __init__(self, upstream_port: int, upstream_host: str = "127.0.0.1") -> None:
        self._upstream = (upstream_host, upstream_port)
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gates = {Direction.TO_SERVER: asyncio.Event(), Direction.TO_CLIENT: asyncio.Event()}
        for gate in self._gates.values():
            gate.set()
        self._is_away = False
        self.cut_total = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut(1.0, random.Random(0))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """Connections that pass through now."""
        return len(self._pairs)

    def cut(self, share: float, chance: random.Random) -> int:
        """Reset about `share` of the connections, at least one when there is one; return how many."""
        pairs = sorted(self._pairs, key=lambda pair: pair.number)
        chosen = [pair for pair in pairs if chance.random() < share] or pairs[:1]
        for pair in chosen:
            pair.reset()
        self.cut_total += len(chosen)
        return len(chosen)

    async def stall(self, seconds: float, direction: Direction = Direction.BOTH) -> None:
        """Hold octets back for a while; connections stay open."""
        both = tuple(self._gates)
        gates = [self._gates[one] for one in (both if direction is Direction.BOTH else (direction,))]
        for gate in gates:
            gate.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            for gate in gates:
                gate.set()

    async def cut_off(self, seconds: float) -> None:
        """Reset all connections, and every new one for a while, as if the upstream were down."""
        self._is_away = True
        self.cut(1.0, random.Random(0))
        try:
            await asyncio.sleep(seconds)
        finally:
            self._is_away = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(writer)
            return
        pair = _Pair(writer, upstream_writer)
        if self._is_away:
            pair.reset()
            return
        self._pairs.add(pair)
        pumps = [
            asyncio.create_task(self._pump(reader, upstream_writer, Direction.TO_SERVER)),
            asyncio.create_task(self._pump(upstream_reader, writer, Direction.TO_CLIENT)),
        ]
        self._tasks.update(pumps)
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._pairs.discard(pair)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._tasks.difference_update(pumps)
            pair.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._gates[direction].wait()
                writer.write(data)
                await writer.drain()


class _Pair:
    """Both sockets of a proxied connection."""

    _made = 0

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        _Pair._made += 1
        self.number = _Pair._made
        self._writers = (client, server)

    def reset(self) -> None:
        for writer in self._writers:
            _reset(writer)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
