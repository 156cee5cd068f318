"""The fault proxy on a real echo server."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from tests.chaos.proxy import Direction, FaultProxy


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with FaultProxy(server.sockets[0].getsockname()[1]) as started:
        yield started
    server.close()


async def connected(proxy: FaultProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    return reader, writer


async def test_octets_pass_both_ways(proxy: FaultProxy) -> None:
    reader, writer = await connected(proxy)
    writer.write(bytes(300_000))
    assert await reader.readexactly(300_000) == bytes(300_000)
    assert proxy.connections == 1


async def test_a_cut_resets_the_client_at_once(proxy: FaultProxy) -> None:
    reader, _ = await connected(proxy)
    assert proxy.cut(1.0, random.Random(1)) == 1
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.readexactly(1), 2)


async def test_after_a_cut_new_connections_pass(proxy: FaultProxy) -> None:
    await connected(proxy)
    proxy.cut(1.0, random.Random(1))
    await connected(proxy)
    assert proxy.cut_total == 1


async def test_a_small_share_cuts_at_least_one_and_spares_others(proxy: FaultProxy) -> None:
    for _ in range(10):
        await connected(proxy)
    assert 1 <= proxy.cut(0.2, random.Random(4)) < 10


async def test_a_stall_holds_octets_back_and_then_lets_them_pass(proxy: FaultProxy) -> None:
    reader, writer = await connected(proxy)
    stall = asyncio.create_task(proxy.stall(0.5))
    await asyncio.sleep(0.05)
    writer.write(b"late")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(4), 0.2)
    await stall
    assert await asyncio.wait_for(reader.readexactly(4), 2) == b"late"


async def test_octets_held_back_when_the_connection_is_cut_are_lost(proxy: FaultProxy) -> None:
    reader, writer = await connected(proxy)
    stall = asyncio.create_task(proxy.stall(0.3, Direction.TO_CLIENT))
    await asyncio.sleep(0.05)
    writer.write(b"gone")
    await asyncio.sleep(0.1)
    proxy.cut(1.0, random.Random(1))
    await stall
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(4), 2)


async def test_while_cut_old_and_new_connections_are_reset_and_afterwards_they_pass(
    proxy: FaultProxy,
) -> None:
    old, _ = await connected(proxy)
    cutting = asyncio.create_task(proxy.cut_off(60))
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(old.readexactly(1), 10)
    new, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(new.readexactly(1), 10)
    cutting.cancel()
    await asyncio.wait([cutting])
    await connected(proxy)


async def test_an_upstream_that_is_down_resets_the_client() -> None:
    async with FaultProxy(1) as proxy:
        reader, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.readexactly(1), 2)
