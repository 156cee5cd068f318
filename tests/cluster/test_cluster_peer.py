"""The client with a PROXY header: its octets against the reader of libs/proxyprotocol, its talk against a server in memory."""

import asyncio
from ipaddress import IPv4Address

import pytest

from mailyard.proxyprotocol.parse import parse_header
from tests.chaos.fake_system import FakeSystem
from tests.cluster import peer
from tests.cluster.checks.frontdoors import mail

BOX = "user00@chaos.test"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_header_names_the_client_and_ends_where_the_dialogue_begins(version: str) -> None:
    octets = peer.header(version, "203.0.113.7", ("198.51.100.1", 2525))
    parsed = parse_header(octets + b"HELO x\r\n")
    assert parsed is not None
    assert parsed.source is not None
    assert (parsed.source.address, parsed.source.port) == (IPv4Address("203.0.113.7"), peer.CLIENT_PORT)
    assert parsed.size == len(octets)


def test_no_header_is_no_octets() -> None:
    assert peer.header("none", "203.0.113.7", ("198.51.100.1", 25)) == b""


async def test_a_mail_is_sent_line_by_line_and_every_reply_is_kept() -> None:
    async with FakeSystem() as fake:
        heard = await asyncio.to_thread(peer.talk, ("127.0.0.1", fake.smtp_port), b"", mail(BOX, "v1"))
        assert heard == ["220 fake", "250 ok", "250 ok", "250 ok", "354 go", "250 ok"]
        assert [octets.endswith(b"\r\nHello\r\n") for octets in fake.mailboxes[BOX].values()] == [True]


async def test_a_server_that_hangs_up_leaves_an_empty_line_and_hears_no_more() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(peer.talk, ("127.0.0.1", port), b"", mail(BOX, "v1")) == [""]


async def test_a_server_that_keeps_the_connection_and_says_nothing_did_not_hang_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        heard = await asyncio.to_thread(peer.talk, ("127.0.0.1", port), b"", mail(BOX, "v1"), 0.2)
        assert heard == [peer.SILENCE]
