"""Connections: how many, how long, TLS, and how they end."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime

import pytest

from mailyard.listening.admission import Admission
from mailyard.listening.certificates import Certificates
from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.errors import Misconfigured
from mailyard.smtp.server.limits import EarlyData
from mailyard.smtp_in.listeners import ListenerName
from mailyard.smtp_in.timeouts import ConnectionTimeouts, MessageRate, Overdue, Waiting, overdue

TIMEOUTS = ConnectionTimeouts(idle=300, busy_idle=10, data=180, message=3600, connection=14_400)


@pytest.fixture
def tls(house, tmp_path):
    files = ensure_certificates(tmp_path / "tls", ["localhost"], datetime.now(UTC))
    house.certificates = Certificates(files.certificate, files.key, 5)
    return ssl.create_default_context(cafile=str(files.authority))


async def test_connections_beyond_the_limit_get_421(house) -> None:
    house.admission = Admission(2, 0)
    listener = await house.open()
    first, _ = [await house.client(listener) for _ in range(2)]
    refused = await house.client(listener, hello="")
    assert await refused.reply() == "421 4.3.2 Too many connections, please try again later"
    assert await refused.ended()
    await first.ask("QUIT")
    assert await first.ended()
    await house.client(listener)


async def test_one_address_may_not_take_all_connections(house) -> None:
    house.admission = Admission(100, 1)
    listener = await house.open()
    await house.client(listener)
    refused = await house.client(listener, hello="")
    assert await refused.reply() == "421 4.7.0 Too many connections from your address"
    other = socket.socket()
    other.bind(("127.0.0.2", 0))
    other.setblocking(False)
    await asyncio.get_running_loop().sock_connect(other, tuple(listener.addresses[0]))
    reader, writer = await asyncio.open_connection(sock=other)
    assert (await reader.readline())[:3] == b"220"
    writer.close()


async def test_starttls_begins_anew_and_shows_in_the_received_field(house, tls) -> None:
    client = await house.client(await house.open())
    assert await client.ask("STARTTLS") == ["220 2.0.0 Ready to start TLS"]
    await client.writer.start_tls(tls, server_hostname="localhost")
    assert (await client.ask("MAIL FROM:<>"))[0][:3] == "503"
    await client.ask("EHLO client.test")
    await client.envelope("ann@one.test")
    assert (await client.message("x"))[:3] == "250"
    assert "(using TLSv1.3 TLS_" in house.spool.prefix()
    assert "with ESMTPS id" in house.spool.prefix()


async def test_what_was_said_in_clear_behind_starttls_is_dropped(house, tls) -> None:
    client = await house.client(await house.open())
    client.send(b"STARTTLS\r\nMAIL FROM:<injected@there.test>\r\nRCPT TO:<ann@one.test>\r\n")
    assert (await client.reply())[:3] == "220"
    await client.writer.start_tls(tls, server_hostname="localhost")
    assert (await client.ask("EHLO client.test"))[0][:3] == "250"
    assert await client.ask("RCPT TO:<ann@one.test>") == ["503 5.5.1 Need MAIL first"]


async def test_starttls_makes_authentication_possible_and_is_forgotten_by_no_one(house, tls) -> None:
    client = await house.client(await house.open(ListenerName.SUBMISSION))
    assert await client.ask("MAIL FROM:<ann@one.test>") == ["530 5.7.0 Must issue a STARTTLS command first"]
    await client.ask("STARTTLS")
    await client.writer.start_tls(tls, server_hostname="localhost")
    await client.ask("EHLO client.test")
    assert (await client.ask("AUTH PLAIN AGFubkBvbmUudGVzdAByaWdodA=="))[0][:3] == "235"
    await client.envelope("x@elsewhere.test", sender="ann@one.test")
    await client.message("x")
    assert "with ESMTPSA id" in house.spool.prefix()


async def test_submissions_speaks_tls_first(house, tls) -> None:
    listener = await house.open(ListenerName.SUBMISSIONS)
    reader, writer = await asyncio.open_connection(
        *listener.addresses[0], ssl=tls, server_hostname="localhost"
    )
    assert (await reader.readline())[:3] == b"220"
    writer.write(b"EHLO client.test\r\n")
    said = [await reader.readline() for _ in range(10)]
    assert b"250-AUTH PLAIN LOGIN\r\n" in said
    assert b"250-STARTTLS\r\n" not in said
    writer.close()


async def test_a_client_that_does_not_speak_tls_is_let_go(house, tls, eventually) -> None:
    listener = await house.open(ListenerName.SUBMISSIONS)
    client = await house.client(listener, hello="")
    client.send(b"EHLO client.test\r\n")
    assert b"220" not in await client.reader.read()
    await eventually(lambda: not listener._connections)
    silent = await house.client(listener, hello="")
    await eventually(lambda: len(listener._connections) == 1)
    silent.writer.transport.abort()
    await eventually(lambda: not listener._connections)
    assert house.admission.admit("x") is None


def test_a_certificate_that_cannot_be_read_stops_the_start(tmp_path) -> None:
    with pytest.raises(Misconfigured, match="TLS_CERTIFICATE_FILE"):
        Certificates(tmp_path / "none.pem", tmp_path / "none.key", 5)


async def test_a_renewed_certificate_is_used_for_the_next_handshake(house, tmp_path) -> None:
    old = ensure_certificates(tmp_path / "a", ["localhost"], datetime.now(UTC))
    house.certificates = Certificates(old.certificate, old.key, 5)
    listener = await house.open(ListenerName.SUBMISSIONS)
    new = ensure_certificates(tmp_path / "b", ["localhost"], datetime.now(UTC))
    old.certificate.write_bytes(new.certificate.read_bytes())
    await house.certificates.refresh()  # key and certificate do not fit yet: nothing changes
    old.key.write_bytes(new.key.read_bytes())
    await house.certificates.refresh()
    trust = ssl.create_default_context(cafile=str(new.authority))
    reader, writer = await asyncio.open_connection(
        *listener.addresses[0], ssl=trust, server_hostname="localhost"
    )
    assert (await reader.readline())[:3] == b"220"
    writer.close()


async def test_at_shutdown_idle_clients_get_421_and_messages_in_hand_are_finished(house, eventually) -> None:
    house.spool.is_holding = True
    listener = await house.open()
    idle, busy = await house.client(listener), await house.client(listener)
    await busy.envelope("ann@one.test")
    [address] = listener.addresses
    draining = asyncio.create_task(listener.drain())
    assert await idle.reply() == "421 4.3.2 Server is shutting down, please connect again"
    assert await idle.ended()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
    assert (await busy.ask("DATA"))[0][:3] == "354"
    busy.send(b"x\r\n.\r\n")
    await eventually(lambda: bool(house.spool.waiting))
    assert not draining.done()
    house.spool.settle()
    assert (await busy.reply())[:3] == "250"
    assert (await busy.reply())[:3] == "421"
    assert await busy.ended()
    async with asyncio.timeout(5):
        await draining


async def test_at_shutdown_handshakes_are_broken_off_and_others_finish(house, tls, eventually) -> None:
    listener = await house.open(ListenerName.SUBMISSIONS)
    assert listener.not_ready_reason() is None
    [address] = listener.addresses
    silent = await house.client(listener, hello="")
    await eventually(lambda: len(listener._connections) == 1)
    async with asyncio.timeout(5):
        await listener.drain()
    assert await silent.ended()
    assert listener.not_ready_reason() is not None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_a_silent_client_is_let_go(house) -> None:
    house.timeouts = ConnectionTimeouts(idle=0.2, busy_idle=0.2, data=0.2, message=60, connection=60)
    client = await house.client(await house.open())
    assert await client.reply() == "421 4.4.2 Timed out waiting for input"
    assert await client.ended()


async def test_a_client_that_is_silent_within_a_message_is_let_go_and_nothing_is_kept(house) -> None:
    house.timeouts = ConnectionTimeouts(idle=60, busy_idle=60, data=0.2, message=60, connection=60)
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    await client.ask("DATA")
    client.send(b"half a mess")
    assert await client.reply() == "421 4.4.2 Timed out waiting for input"
    assert await client.ended()
    assert house.spool.accepted == []


async def test_a_client_that_waits_for_us_is_not_let_go(house) -> None:
    house.timeouts = ConnectionTimeouts(idle=0.1, busy_idle=0.1, data=0.1, message=0.1, connection=0.1)
    house.spool.is_holding = True
    client = await house.client(await house.open())
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<ann@one.test>\r\nDATA\r\nx\r\n.\r\n")
    for code in ("250", "250", "354"):
        assert (await client.reply())[:3] == code
    await asyncio.sleep(1.5)
    house.spool.settle()
    assert (await client.reply())[:3] == "250"


async def test_a_client_that_does_not_read_is_cut(house, eventually) -> None:
    house.timeouts = ConnectionTimeouts(idle=60, busy_idle=60, data=0.2, message=60, connection=60)
    listener = await house.open(idle_commands=10**6, commands=10**6)
    client = await house.client(listener, hello="")
    client.writer.transport.pause_reading()
    [connection] = listener._connections
    for _ in range(200):
        client.send(b"HELP\r\n" * 1000)
    await eventually(lambda: connection._is_write_paused)
    await eventually(lambda: not listener._connections)


def test_patience_has_a_limit_for_each_state() -> None:
    base = {
        "since": 0.0,
        "opened": 0.0,
        "message_since": None,
        "is_unread": False,
        "is_server_busy": False,
    }

    def judged(now: float, *, is_busy: bool = False, **changes: object) -> Overdue | None:
        return overdue(TIMEOUTS, Waiting(**{**base, **changes}), now, is_busy=is_busy)

    assert judged(299) is None
    assert judged(301) is Overdue.IDLE
    assert judged(11, is_busy=True) is Overdue.IDLE
    assert judged(301, is_server_busy=True) is None
    assert judged(181, message_since=0.0) is Overdue.DATA
    assert judged(3700, since=3699.0, message_since=0.0) is Overdue.MESSAGE
    assert judged(15_000, since=14_990.0) is Overdue.CONNECTION
    assert judged(15_000, since=14_990.0, message_since=14_000.0) is None
    assert judged(181, is_unread=True, is_server_busy=True) is Overdue.UNREAD


def test_the_rate_of_a_message_is_counted_in_windows_of_the_time_that_the_client_has() -> None:
    rate = MessageRate()

    def lately(
        now: float, octets: int, *, since: float | None = 100.0, is_server_busy: bool = False
    ) -> int | None:
        return rate.octets_lately(now, 10, since, octets, is_server_busy=is_server_busy)

    assert lately(99, 0, since=None) is None  # no message
    assert lately(101, 500) is None  # the window begins with the message
    assert lately(110, 900) is None
    assert lately(110.5, 1_000) == 1_000
    assert lately(110.6, 1_000) is None  # said once
    assert lately(115, 1_200, is_server_busy=True) is None  # begins anew: the client waits for the server
    assert lately(124, 1_200) is None
    assert lately(126, 1_201) == 1
    assert lately(300, 0, since=299.0) is None  # another message


def test_admission_forgets_addresses_that_have_left() -> None:
    admission = Admission(4, 2)
    assert [admission.admit("a"), admission.admit("a"), admission.admit("b")] == [None, None, None]
    assert admission.admit("a") is not None
    assert not admission.is_busy
    assert admission.admit("c") is None
    assert admission.is_busy
    assert admission.admit("d") is not None
    for address in "aabc":
        admission.leave(address)
    assert not admission._open


@pytest.mark.parametrize(("text", "endpoint"), [("0.0.0.0:25", ("0.0.0.0", 25)), ("[::1]:587", ("::1", 587))])
def test_endpoints_are_host_and_port(text, endpoint) -> None:
    assert Endpoint.parse(text) == endpoint
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize("text", ["", "25", "host", "host:", "::1:25", "host:99999", "a b:c"])
def test_what_is_no_endpoint_is_refused(text) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Endpoint.parse(text)


async def test_the_reply_to_an_endless_message_reaches_the_client(house, eventually) -> None:
    listener = await house.open(message_size=65_536)
    client = await house.client(listener)
    await client.envelope("ann@one.test")
    assert (await client.ask("DATA"))[0][:3] == "354"
    for _ in range(20):
        client.send(b"x" * 50_000)
    assert await client.reply() == "552 5.3.4 Message size exceeds the limit"
    assert await client.ended()
    client.writer.close()
    await eventually(lambda: not listener._connections)


async def test_a_client_that_sends_on_after_the_last_reply_is_cut(house, eventually) -> None:
    listener = await house.open(message_size=65_536)
    client = await house.client(listener)
    await client.envelope("ann@one.test")
    assert (await client.ask("DATA"))[0][:3] == "354"
    for _ in range(400):
        if client.writer.transport.is_closing():
            break
        client.send(b"x" * 100_000)
        await asyncio.sleep(0)
    await eventually(lambda: not listener._connections)


async def test_a_client_that_sends_its_message_too_early_is_told_and_let_go(house) -> None:
    house.early_data = EarlyData.REJECT
    client = await house.client(await house.open())
    said = await client.ask(
        "MAIL FROM:<x@there.test>", "RCPT TO:<ann@one.test>", "DATA", "Subject: x\r\n\r\nx\r\n.\r\nQUIT"
    )
    assert said[2] == "554 5.5.0 The message came before 354; closing connection"
    assert said[3] == ""
    assert house.spool.accepted == []
