"""Attacks on smtp-in, and through it on router, filter, delivery and relay. Each is bounded in number and time."""

import asyncio
import base64
import contextlib
import time
from collections.abc import Sequence

from tests.hostile.messages import addresses_without_end, hostile_messages, nested_messages
from tests.hostile.peer import Peer, PeerGone, begin_mail, peer
from tests.hostile.target import Target

HOLDERS = 1_500
HELD_OCTETS = 250_000
HELD_SECONDS = 30.0
HOLDERS_COME_SECONDS = 20.0  # within which all come: the attack is on memory, not on the cores it shares
PER_SOURCE = 90  # below the limit of connections for one address
ENDLESS_OCTETS = 400 * 2**20
BIG_MAIL = 24 * 2**20


def source(number: int) -> str:
    """A loopback address for every so many connections."""
    return f"127.0.{2 + number // PER_SOURCE % 250}.66"


async def hostile_mails(target: Target) -> str:
    """Every hostile message once, to ten recipients."""
    replies: dict[str, int] = {}
    for octets in hostile_messages().values():
        reply = await _mail(target, target.recipients[:10], octets)
        replies[reply[:3]] = replies.get(reply[:3], 0) + 1
    return f"{sum(replies.values())} mails: {replies}"


async def costly_header_to_many(target: Target) -> str:
    """A header that is expensive to parse, to 100 recipients."""
    return await _mail(target, target.recipients[:100], addresses_without_end())


async def costly_structure_to_many(target: Target) -> str:
    """A structure that is expensive to parse and large to store, to 100 recipients."""
    return await _mail(target, target.recipients[:100], nested_messages())


async def big_mail_to_many(target: Target) -> str:
    """24 MiB to 100 recipients."""
    line = b"x" * 76 + b"\r\n"
    return await _mail(
        target, target.recipients[:100], b"Subject: big\r\n\r\n" + line * (BIG_MAIL // len(line))
    )


async def slow_holders(target: Target) -> str:
    """Many connections that each hold nearly a chunk of DATA and then send an octet every few seconds."""
    results = await asyncio.gather(*(_hold(target, number) for number in range(HOLDERS)))
    return f"{sum(results)} of {HOLDERS} were let in and held to the end"


async def endless_data(target: Target) -> str:
    """DATA that never ends."""
    return await _endless(target, b"DATA", b"x" * 998 + b"\r\n")


async def endless_bdat(target: Target) -> str:
    """A BDAT chunk far above the limit."""
    return await _endless(target, b"BDAT 99999999999 LAST", b"x" * 1_000)


async def unknown_recipients(target: Target) -> str:
    """20,000 recipients that do not exist, pipelined."""
    refused = 0
    with contextlib.suppress(PeerGone):
        async with peer(target.smtp, source(0)) as connection:
            for command in (None, b"EHLO h.test", b"MAIL FROM:<h@sender.test>"):
                await connection.reply(command)
            for block in range(200):
                commands = b"".join(b"RCPT TO:<n%d-%d@hostile.test>\r\n" % (block, n) for n in range(100))
                await connection.send(commands)
                for _ in range(100):
                    await connection.reply()
                    refused += 1
    return f"{refused} refused"


async def command_flood(target: Target) -> str:
    """Commands without end from a client that never reads the replies."""
    sent = 0
    with contextlib.suppress(PeerGone):
        async with peer(target.smtp, source(0)) as connection, asyncio.timeout(20):
            while sent < 2_000_000:
                await connection.send(b"NOOP\r\nVRFY a\r\nHELP\r\nXXXX\r\n" * 100)
                sent += 400
    return f"{sent} commands sent"


async def password_spray(target: Target) -> str:
    """300 wrong passwords for one account, from one network."""
    answers: dict[str, int] = {}

    async def one(number: int) -> None:
        with contextlib.suppress(PeerGone):
            async with peer(target.submission, "127.0.1.9") as connection:
                await connection.reply()
                await connection.reply(b"EHLO h.test")
                token = base64.b64encode(f"\0{target.recipients[1]}\0wrong{number}".encode())
                answer = (await connection.reply(b"AUTH PLAIN " + token))[:3].decode()
                answers[answer] = answers.get(answer, 0) + 1

    for block in range(30):
        await asyncio.gather(*(one(block * 10 + number) for number in range(10)))
    return f"{answers}"


async def tarpit_next_hops(target: Target) -> str:
    """Mail to hosts that answer each command late; other mail to the outside goes on meanwhile."""
    sent = 0
    for block in range(20):
        octets = b"From: <%s>\r\nSubject: tarpit\r\n\r\nx\r\n" % target.recipients[0].encode()
        recipients = [f"r{block}@{domain}" for domain in target.tarpits]
        sent += await target.submit(recipients, octets)
    begun = time.monotonic()
    arrived = await target.sink_gets(60.0)
    verdict = f"after {time.monotonic() - begun:.1f} s" if arrived else "NOT within 60 s"
    if not arrived:
        target.faults.append("mail to another host did not leave within 60 s beside tarpits")
    return f"{sent} mails for tarpits; a mail for another host left {verdict}"


async def _mail(target: Target, recipients: Sequence[str], octets: bytes) -> str:
    try:
        async with peer(target.smtp, source(0)) as connection:
            await begin_mail(connection, recipients)
            await connection.send(octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            return (await connection.reply()).decode(errors="replace").strip()
    except PeerGone as error:
        return f"connection ended: {error}"


async def _hold(target: Target, number: int) -> bool:
    await asyncio.sleep(number / HOLDERS * HOLDERS_COME_SECONDS)
    try:
        async with peer(target.smtp, source(number)) as connection:
            await begin_mail(connection, target.recipients[:1])
            await connection.send(b"Subject: slow\r\n\r\n" + (b"x" * 998 + b"\r\n") * (HELD_OCTETS // 1_000))
            ended = time.monotonic() + HELD_SECONDS
            while time.monotonic() < ended:
                await asyncio.sleep(5)
                await connection.send(b"y")
            return True
    except PeerGone:
        return False


async def _endless(target: Target, command: bytes, unit: bytes) -> str:
    sent = 0
    ended = "the server read all of it"
    try:
        async with peer(target.smtp, source(0)) as connection, asyncio.timeout(60):
            await _begin(connection, target)
            if command == b"DATA":
                await connection.reply(command)
            else:
                await connection.send(command + b"\r\n")
            while sent < ENDLESS_OCTETS:
                await connection.send(unit * 1_000)
                sent += len(unit) * 1_000
            target.faults.append(f"{command.decode()}: {sent >> 20} MiB were read without an end")
    except (PeerGone, TimeoutError) as error:
        ended = f"ended ({error or 'in time'})"
    return f"{sent >> 20} MiB sent, {ended}"


async def _begin(connection: Peer, target: Target) -> None:
    await connection.reply()
    for command in (
        b"EHLO h.test",
        b"MAIL FROM:<h@sender.test>",
        b"RCPT TO:<%s>" % target.recipients[0].encode(),
    ):
        await connection.reply(command)


ATTACKS = (
    hostile_mails,
    costly_header_to_many,
    costly_structure_to_many,
    big_mail_to_many,
    slow_holders,
    endless_data,
    endless_bdat,
    unknown_recipients,
    command_flood,
    password_spray,
    tarpit_next_hops,
)
