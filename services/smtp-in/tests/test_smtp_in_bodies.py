"""Bodies: short ones go with the batch, long ones stream, and nobody waits with memory full."""

import asyncio
import tracemalloc

from structlog.testing import capture_logs

from mailyard.smtp_in.bodybuffer import BodyBuffer
from mailyard.store.body import CHUNK_SIZE

LINE = b"x" * 998 + b"\r\n"
EMPTY = b"\r\n"


async def begin(client) -> None:
    await client.envelope("ann@one.test")
    assert (await client.ask("DATA"))[0][:3] == "354"


async def test_a_short_body_is_handed_over_unwritten(house) -> None:
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    await client.message("Subject: short\r\n\r\nshort")
    assert house.spool.accepted[0].body.octets == b"Subject: short\r\n\r\nshort\r\n"
    assert house.bodies.streams == []


async def test_a_long_body_streams_octet_for_octet(house) -> None:
    client = await house.client(await house.open())
    await begin(client)
    body = EMPTY + b"\x01\xff" + LINE * 2000
    client.send(body + b".\r\n")
    assert (await client.reply())[:3] == "250"
    [stream] = house.bodies.streams
    assert bytes(stream.octets) == body
    assert stream.is_finished
    assert house.spool.accepted[0].body.octets is None
    assert house.bodies.writes >= 2_000_000 // (2 * CHUNK_SIZE)


async def test_while_a_write_is_pending_no_more_is_read(house, eventually) -> None:
    house.bodies.free.clear()
    listener = await house.open()
    client = await house.client(listener)
    await begin(client)
    client.send(EMPTY + LINE * 20_000)
    await eventually(lambda: house.bodies.writes >= 1)
    [connection] = listener._connections
    await eventually(lambda: connection._is_read_paused)
    assert len(connection._session._input) < 2**20
    assert house.bodies.writes <= 2
    house.bodies.free.set()
    client.send(b".\r\n")
    assert (await client.reply())[:3] == "250"
    assert len(house.bodies.streams[0].octets) == 20_000 * len(LINE) + 2


async def test_a_store_that_fails_within_a_body_gives_451_at_its_end(house) -> None:
    house.bodies.is_failing = True
    client = await house.client(await house.open())
    await begin(client)
    client.send(LINE * 2000 + b".\r\n")
    assert (await client.reply())[:3] == "451"
    assert house.bodies.streams[0].is_aborted
    assert house.spool.accepted == []
    house.bodies.is_failing = False
    await begin(client)
    client.send(LINE * 2000 + b".\r\n")
    assert (await client.reply())[:3] == "250"


async def test_a_body_that_cannot_be_ended_is_forgotten_before_the_next(house) -> None:
    house.bodies.fault = RuntimeError("nobody foresaw this")
    client = await house.client(await house.open())
    await begin(client)
    client.send(LINE * 600 + b".\r\n")
    assert (await client.reply())[:3] == "451"
    house.bodies.fault = None
    await begin(client)
    client.send(b"short\r\n.\r\n")
    assert (await client.reply())[:3] == "250"
    assert house.spool.accepted[0].body.octets == b"\r\nshort\r\n"


async def test_a_client_that_leaves_within_a_long_body_leaves_nothing_behind(house, eventually) -> None:
    client = await house.client(await house.open())
    await begin(client)
    client.send(LINE * 600)
    await eventually(lambda: bool(house.bodies.streams and house.bodies.streams[0].octets))
    client.writer.transport.abort()
    await eventually(lambda: house.bodies.streams[0].is_aborted)
    assert house.spool.accepted == []


async def test_a_client_that_leaves_while_a_write_is_pending_leaves_nothing_behind(house, eventually) -> None:
    house.bodies.free.clear()
    listener = await house.open()
    client = await house.client(listener)
    await begin(client)
    client.send(LINE * 300)
    await eventually(lambda: house.bodies.writes == 1)
    client.writer.transport.abort()
    await asyncio.sleep(0.05)
    assert not house.bodies.streams[0].is_aborted, "a write under way is not cut"
    house.bodies.free.set()
    await eventually(lambda: house.bodies.streams[0].is_aborted)
    await eventually(lambda: not listener._connections)


async def test_a_connection_that_is_cut_while_a_body_is_ended_leaves_no_body_and_no_fault(
    house, eventually
) -> None:
    listener = await house.open()
    client = await house.client(listener)
    await begin(client)
    client.send(EMPTY + LINE * 600)
    await eventually(lambda: bool(house.bodies.streams))
    await eventually(lambda: house.bodies.streams[0].taken >= 600_000 - CHUNK_SIZE)
    house.bodies.free.clear()
    with capture_logs() as logs:
        client.send(b".\r\n")
        await eventually(lambda: any(each._receiver._ended_at for each in listener._connections))
        await listener.close()
        await eventually(lambda: not listener._connections)
        assert not house.bodies.streams[0].is_aborted, "the end of a body and its removal are not mixed"
        house.bodies.free.set()
        await eventually(lambda: house.bodies.streams[0].is_aborted)
    assert house.spool.accepted == []
    assert [each for each in logs if each["log_level"] == "error"] == []
    assert house.memory.held == 0


async def test_a_message_beyond_the_limit_is_refused_and_forgotten(house, eventually) -> None:
    client = await house.client(await house.open(message_size=600_000))
    await begin(client)
    client.send(LINE * 700 + b".\r\n")
    assert await client.reply() == "552 5.3.4 Message size exceeds the limit"
    await eventually(lambda: house.bodies.streams[0].is_aborted)
    await begin(client)
    client.send(LINE * 500 + b".\r\n")
    assert (await client.reply())[:3] == "250"


async def test_bdat_streams_too(house) -> None:
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    client.send(b"BDAT 2\r\n\r\n")
    assert await client.reply() == "250 2.0.0 2 octets received"
    for _ in range(3):
        client.send(b"BDAT 300000\r\n" + LINE * 300)
        assert await client.reply() == "250 2.0.0 300000 octets received"
    client.send(b"BDAT 3 LAST\r\nend")
    assert (await client.reply())[:3] == "250"
    assert bytes(house.bodies.streams[0].octets) == EMPTY + LINE * 900 + b"end"


async def test_a_body_that_comes_in_tiny_pieces_takes_no_more_memory_than_its_octets(house) -> None:
    buffer = BodyBuffer(house.bodies)
    tracemalloc.start()
    for number in range(80_000):
        buffer.take(b"%03d" % (number % 1000))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 500_000
    assert buffer.held_body().octets == b"".join(b"%03d" % (number % 1000) for number in range(80_000))


async def test_a_buffer_that_never_spilled_forgets_without_asking_the_store(house) -> None:
    buffer = BodyBuffer(house.bodies)
    assert not buffer.take(b"x")
    await buffer.abort()
    assert house.bodies.streams == []


async def test_many_long_bodies_at_once_stay_apart(house) -> None:
    listener = await house.open()

    async def send(number: int) -> bytes:
        client = await house.client(listener)
        await begin(client)
        body = EMPTY + (b"%03d" % number) * 200_000 + b"\r\n"
        client.send(body + b".\r\n")
        assert (await client.reply())[:3] == "250"
        return body

    bodies = await asyncio.gather(*(send(number) for number in range(8)))
    assert sorted(bytes(stream.octets) for stream in house.bodies.streams) == sorted(bodies)
