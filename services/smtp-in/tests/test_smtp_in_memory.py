"""Memory: all connections together hold no more than the budget, and slow clients do not keep it."""

import asyncio
import time
from dataclasses import replace

import pytest

from mailyard.listening.budget import MemoryBudget
from mailyard.smtp_in import connection
from mailyard.smtp_in.bodybuffer import SCARCE_OCTETS
from mailyard.smtp_in.timeouts import ConnectionTimeouts, Overdue, Waiting, overdue
from mailyard.store.body import CHUNK_SIZE

LINE = b"x" * 998 + b"\r\n"
FULL = "452 4.3.1 Insufficient memory for this message, please try again later"


async def begin(client) -> None:
    await client.envelope("ann@one.test")
    assert (await client.ask("DATA"))[0][:3] == "354"
    client.send(b"Subject: x\r\n\r\n")


async def test_octets_of_a_message_are_counted_until_it_is_stored(house, eventually) -> None:
    house.spool.is_holding = True
    client = await house.client(await house.open())
    await begin(client)
    client.send(LINE * 100)
    await eventually(lambda: house.memory.held > 100_000)
    client.send(b".\r\n")
    await eventually(lambda: bool(house.spool.waiting))
    assert house.memory.held > 100_000
    client.writer.transport.abort()
    await asyncio.sleep(0.05)
    assert house.memory.held >= 100_014, "the spool holds the octets, whoever left"
    house.spool.settle()
    await eventually(lambda: house.memory.held == 0)


@pytest.mark.parametrize("end", ["RSET", "QUIT", "abort"])
async def test_recipients_are_counted_until_the_transaction_ends(house, eventually, end) -> None:
    client = await house.client(await house.open())
    await client.envelope(*["ann@one.test"] * 100)
    assert house.memory.held >= 100_000
    if end == "abort":
        client.writer.transport.abort()
    else:
        await client.ask(end)
    await eventually(lambda: house.memory.held == 0)


async def test_a_header_section_is_counted_while_it_is_held(house, eventually) -> None:
    client = await house.submission()
    await client.envelope("x@elsewhere.test", sender="ann@one.test")
    assert (await client.ask("DATA"))[0][:3] == "354"
    client.send((b"X: " + b"y" * 53 + b"\r\n") * 1_000)
    await eventually(lambda: house.memory.held >= 200_000)
    client.send(b"\r\n.\r\n")
    assert (await client.reply())[:3] == "250"
    await eventually(lambda: house.memory.held == 0)


async def test_above_the_mark_a_connection_holds_little_and_the_body_is_the_same(house, eventually) -> None:
    house.memory = MemoryBudget(400_000)
    other = house.memory.holding()
    other.grow(250_000)
    client = await house.client(await house.open())
    await begin(client)
    for number in range(5):
        client.send(LINE * 70)
        await eventually(lambda number=number: bool(house.bodies.streams) and house.bodies.streams[0].parked >= 70_000 * (number + 1) - SCARCE_OCTETS)  # fmt: skip
        assert house.memory.held - 250_000 <= SCARCE_OCTETS + 64
    client.send(b".\r\n")
    assert (await client.reply())[:3] == "250"
    assert bytes(house.bodies.streams[0].octets) == b"Subject: x\r\n\r\n" + LINE * 350


async def test_at_the_limit_new_messages_and_growing_ones_get_452_and_nothing_is_kept(
    house, eventually
) -> None:
    house.memory = MemoryBudget(400_000)
    listener = await house.open()
    growing, new = await house.client(listener), await house.client(listener)
    await begin(growing)
    await new.envelope("ann@one.test")
    other = house.memory.holding()
    other.grow(400_000)
    assert (await new.ask("RCPT TO:<bob@one.test>")) == [FULL]
    await new.ask("RSET")
    assert (await new.ask("MAIL FROM:<x@there.test>")) == [FULL]
    growing.send(LINE * 10)
    growing.send(b".\r\n")
    assert await growing.reply() == FULL
    assert house.spool.accepted == []
    other.release()
    assert house.memory.held == 0
    await begin(growing)
    growing.send(b".\r\n")
    assert (await growing.reply())[:3] == "250"


async def test_while_memory_is_scarce_slow_bodies_go_to_the_store(house, eventually, monkeypatch) -> None:
    monkeypatch.setattr(connection, "_SLOW_SECONDS", 0.1)
    house.memory = MemoryBudget(400_000)
    client = await house.client(await house.open())
    await begin(client)
    client.send(LINE * 50)
    await eventually(lambda: house.memory.held >= 50_000)
    other = house.memory.holding()
    other.grow(200_000)
    await eventually(lambda: house.memory.held < 202_000)
    assert house.bodies.streams[0].parked >= 50_000
    client.send(LINE + b".\r\n")
    assert (await client.reply())[:3] == "250"
    assert bytes(house.bodies.streams[0].octets) == b"Subject: x\r\n\r\n" + LINE * 51


@pytest.mark.parametrize("what", ["header", "recipients"])
async def test_while_memory_is_scarce_slow_clients_whose_octets_cannot_be_stored_are_let_go(
    house, eventually, monkeypatch, what
) -> None:
    monkeypatch.setattr(connection, "_SLOW_SECONDS", 0.1)
    house.memory = MemoryBudget(400_000)
    client = await house.client(await house.open())
    await client.envelope(*["ann@one.test"] * (1 if what == "header" else 50))
    if what == "header":
        assert (await client.ask("DATA"))[0][:3] == "354"
        client.send(b"X: " + b"y" * 50_000)
    await eventually(lambda: house.memory.held >= 50_000)
    other = house.memory.holding()
    other.grow(200_000)
    assert await client.reply() == "421 4.3.1 Memory is scarce and the client is slow, please connect again"
    assert await client.ended()
    await eventually(lambda: house.memory.held == 200_000)


async def test_many_clients_that_trickle_hold_no_more_than_the_budget(house, eventually, monkeypatch) -> None:
    monkeypatch.setattr(connection, "_SLOW_SECONDS", 0.2)
    house.memory = MemoryBudget(4_000_000)
    listener = await house.open()
    clients = [await house.client(listener) for _ in range(80)]
    for client in clients:
        await begin(client)
    for client in clients:
        client.send(LINE * 250)
    await eventually(lambda: house.memory.held < house.memory.mark)
    assert house.memory.highest <= 4_000_000 + 300_000
    for client in clients:
        client.send(b".\r\n")
    codes = [(await client.reply())[:3] for client in clients]
    assert set(codes) <= {"250", "452"}
    assert codes.count("250") >= 10
    assert len(house.spool.accepted) == codes.count("250")
    await eventually(lambda: house.memory.held == 0)
    fresh = await house.client(listener)
    await begin(fresh)
    fresh.send(b".\r\n")
    assert (await fresh.reply())[:3] == "250"


async def test_the_budget_holds_while_bodies_cannot_be_written(house, eventually) -> None:
    house.memory = MemoryBudget(4_000_000)
    house.bodies.free.clear()
    listener = await house.open()
    clients = [await house.client(listener) for _ in range(40)]
    for client in clients:
        await begin(client)
    for client in clients:
        client.send(LINE * 1000 + b".\r\n")
    await eventually(lambda: house.bodies.writes > 0 and house.memory.is_above_mark)
    highest = -1
    while highest != house.memory.highest:  # until no more is read
        highest = house.memory.highest
        await asyncio.sleep(0.2)
    assert highest <= 4_000_000 + 300_000
    house.bodies.free.set()
    codes = [(await client.reply())[:3] for client in clients]
    assert set(codes) == {"250", "452"}
    await eventually(lambda: house.memory.held == 0)


async def test_octets_that_are_being_written_are_counted(house, eventually) -> None:
    house.bodies.free.clear()
    client = await house.client(await house.open())
    await begin(client)
    client.send(LINE * 1000)
    await eventually(lambda: house.bodies.writes > 0)
    held = house.memory.held
    assert held > CHUNK_SIZE
    await asyncio.sleep(0.2)
    assert house.memory.held == held, "nothing more is read while the store is slow, and nothing is forgotten"
    house.bodies.free.set()
    client.send(b".\r\n")
    assert (await client.reply())[:3] == "250"
    assert bytes(house.bodies.streams[0].octets) == b"Subject: x\r\n\r\n" + LINE * 1000
    await eventually(lambda: house.memory.held == 0)


async def test_what_is_pipelined_behind_a_look_up_is_read_when_the_look_up_is_done(house, eventually) -> None:
    gate = asyncio.Event()
    resolve = house.directory.resolve

    async def slow(address, *, afresh=False):
        await gate.wait()
        return await resolve(address, afresh=afresh)

    house.directory.resolve, house.directory.is_warm = slow, False
    client = await house.client(await house.open())
    client.send(b"MAIL FROM:<x@there.test>\r\nRCPT TO:<ann@one.test>\r\n" + b"NOOP\r\n" * 50)
    assert (await client.reply())[:3] == "250"
    client.send(b"NOOP " + b"x" * 500 + b"\r\nRSET\r\n")
    await asyncio.sleep(0.1)
    gate.set()
    assert [(await client.reply())[:3] for _ in range(53)] == ["250"] * 53


@pytest.mark.parametrize(
    ("lately", "rate", "expected"),
    [(None, 50, None), (8999, 50, Overdue.SLOW), (9000, 50, None), (0, 0, None)],
)
def test_a_message_has_a_minimal_rate(lately, rate, expected) -> None:
    patience = ConnectionTimeouts(
        idle=300, busy_idle=10, data=180, message=3600, connection=14_400, data_rate=rate
    )
    waiting = Waiting(
        since=999.0,
        opened=0,
        message_since=700.0,
        is_unread=False,
        is_server_busy=False,
        octets_lately=lately,
    )
    assert overdue(patience, waiting, 1000.0, is_busy=False) is expected
    assert overdue(patience, replace(waiting, is_server_busy=True), 1000.0, is_busy=False) is None


async def test_a_client_that_trickles_is_let_go_and_a_steady_one_is_not(house) -> None:
    house.timeouts = ConnectionTimeouts(
        idle=300, busy_idle=300, data=1.5, message=300, connection=300, data_rate=1000
    )
    listener = await house.open()
    slow, steady = await house.client(listener), await house.client(listener)
    for client in (slow, steady):
        await begin(client)
    slow.send(LINE * 10)  # what came early does not excuse what comes late

    async def trickle(client, octets: bytes, seconds: float) -> str:
        """Send now and then until the server says something or time is up."""
        said, ended = asyncio.create_task(client.reply()), time.monotonic() + seconds
        while not said.done() and time.monotonic() < ended:
            client.send(octets)
            await asyncio.sleep(0.2)
        if not said.done():
            client.send(b".\r\n")
        return await said

    slow_said, steady_said = await asyncio.gather(trickle(slow, b"x", 8), trickle(steady, LINE, 5))
    assert slow_said == "421 4.4.2 Timed out waiting for input"
    assert steady_said[:3] == "250"
