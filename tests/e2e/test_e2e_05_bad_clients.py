"""Junk, silence and wrong passwords from clients: no service ends, and mail of other clients continues."""

import asyncio
import imaplib
import random
import smtplib
import time
from collections.abc import Sequence
from itertools import count

import pytest

from bench.peers.processes import peak_rss_bytes, reset_peak_rss
from tests.e2e.postbox import differences, fetch_all, send_all
from tests.trial import accounts
from tests.trial.instance import Instance
from tests.trial.waiting import until

JUNK_CONNECTIONS = 10_000
AT_ONCE = 60
MEMORY_LIMIT = 150 * 2**20
JUNK = (
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"\x00" * 4_000,
    b"\xff\xfe\xfd" * 1_000 + b"\r\n",
    b"A" * 70_000,
    b"EHLO " + b"x" * 10_000 + b"\r\n",
    b"MAIL FROM:<>\r\nDATA\r\n.\r\nRCPT TO:<@@@>\r\n" * 30,
    b"a001 LOGIN {99999999}\r\n",
    b"a001 FETCH 1:* (BODY[\r\n" + b"((((" * 2_000 + b"\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    b"\r\n" * 500,
)
MESSAGE = b"From: a@sender.test\r\nSubject: between the junk\r\n\r\nhello %d\r\n"


async def junk(port: int, octets: bytes, chance: random.Random) -> None:
    """One connection: send, perhaps read a little, leave without a word."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return
    try:
        writer.write(octets)
        if chance.random() < 0.3:
            async with asyncio.timeout(1):
                await reader.read(200)
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()


async def junk_storm(ports: Sequence[int], connections: int) -> None:
    chance = random.Random(9)
    numbers = count()

    async def one_after_another() -> None:
        while (number := next(numbers)) < connections:
            fixed = JUNK[number % len(JUNK)]
            octets = fixed if number % 5 else chance.randbytes(chance.randrange(1, 3_000))
            await junk(ports[number % len(ports)], octets, chance)

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


async def test_ten_thousand_junk_connections_hurt_nobody(instance: Instance, account: str) -> None:
    front_ends = {name: instance.pids()[name] for name in ("smtp-in", "imap")}
    for pid in front_ends.values():
        reset_peak_rss(pid)
    ports = [
        instance.ports.listener(name)
        for name in ("smtp", "submission", "submissions", "lmtp", "imap", "imaps")
    ]
    storm = asyncio.create_task(junk_storm(ports, JUNK_CONNECTIONS))
    sent = []
    for number in range(20):
        sent += await send_all(instance, account, [(f"message {number}", MESSAGE % number)])
        await asyncio.sleep(0.1)
    await storm
    assert differences(sent, await fetch_all(instance, account, len(sent))) == []
    assert {name: instance.pids()[name] for name in front_ends} == front_ends
    await until(instance.ready, seconds=30, what="all services ready after the junk")
    peaks = {name: peak_rss_bytes(pid) for name, pid in front_ends.items()}
    assert all(peak < MEMORY_LIMIT for peak in peaks.values()), peaks


async def test_silent_and_half_sent_clients_are_let_go_and_nothing_of_theirs_arrives(
    instance: Instance, account: str
) -> None:
    port = instance.ports.listener("smtp")
    begun = (
        b"EHLO x\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<%b>\r\nDATA\r\nSubject: half\r\n\r\nhalf"
        % account.encode()
    )
    openings = (b"", b"EH", b"EHLO x\r\n", begun)
    clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
    for number, (_, writer) in enumerate(clients):
        writer.write(openings[number % len(openings)])
    sent = await send_all(instance, account, [("whole", MESSAGE % 1)])
    assert differences(sent, await fetch_all(instance, account, 1)) == []
    begun_at = time.monotonic()
    await asyncio.gather(*(asyncio.wait_for(reader.read(), 45) for reader, _ in clients))
    assert time.monotonic() - begun_at > 5, "clients must be given time"
    for _, writer in clients:
        writer.close()
    assert len(await fetch_all(instance, account, 1)) == 1


def test_wrong_passwords_are_refused_in_the_same_words_for_known_and_unknown_users(
    instance: Instance, account: str
) -> None:
    refusals = set()
    for login in (account, "nobody@nowhere.test"):
        with imaplib.IMAP4("127.0.0.1", instance.ports.listener("imap"), timeout=30) as client:
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED") as refused:
                client.login(login, "wrong-password")
            refusals.add(str(refused.value))
        with smtplib.SMTP("127.0.0.1", instance.ports.listener("submission"), timeout=30) as smtp:
            smtp.ehlo()
            with pytest.raises(smtplib.SMTPAuthenticationError) as denied:
                smtp.login(login, "wrong-password")
            refusals.add(f"{denied.value.smtp_code}")
    assert len(refusals) == 2
    assert "535" in refusals


def test_after_wrong_passwords_the_right_one_is_still_taken(instance: Instance, account: str) -> None:
    with imaplib.IMAP4("127.0.0.1", instance.ports.listener("imap"), timeout=30) as client:
        with pytest.raises(imaplib.IMAP4.error):
            client.login(account, "wrong-password")
        assert client.login(account, accounts.PASSWORD)[0] == "OK"


def test_a_stranger_may_not_relay(instance: Instance) -> None:
    with smtplib.SMTP("127.0.0.1", instance.ports.listener("smtp"), timeout=30) as smtp:
        smtp.ehlo()
        assert smtp.mail("a@sender.test")[0] == 250
        code, text = smtp.rcpt("someone@elsewhere.test")
    assert (code // 100, text.split()[0][:2]) == (5, b"5.")
