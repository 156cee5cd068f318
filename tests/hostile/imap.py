"""Attacks on imap by an account of its own, and by clients that never log in. Each is bounded in number and time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from tests.hostile.messages import addresses_without_end, hostile_messages
from tests.hostile.peer import Peer, PeerGone, peer
from tests.hostile.target import Target
from tests.trial.accounts import PASSWORD

SOURCE = "127.0.1.77"
COMMAND_SECONDS = 120.0


@contextlib.asynccontextmanager
async def session(target: Target, mailbox: bytes = b"") -> AsyncIterator[Peer]:
    """A connection of the hostile account, with a mailbox selected."""
    async with peer(target.imap, SOURCE) as connection:
        await connection.line()
        await connection.tagged(b'LOGIN "%s" "%s"' % (target.hostile.encode(), PASSWORD.encode()))
        if mailbox:
            await connection.tagged(b"SELECT " + mailbox)
        yield connection


async def append(connection: Peer, mailbox: bytes, octets: bytes, flags: bytes = b"()") -> bytes:
    """APPEND one message by a non-synchronising literal; return the tagged line."""
    await connection.send(b"h APPEND %s %s {%d+}\r\n" % (mailbox, flags, len(octets)) + octets + b"\r\n")
    return await connection.until_tagged(COMMAND_SECONDS)


async def list_patterns(target: Target) -> str:
    """Patterns with many wildcards over long names."""
    async with session(target) as connection:
        for number in range(40):
            await connection.tagged(b"CREATE %s%02d" % (b"a" * 900, number))
        begun = time.monotonic()
        for pattern in (b"%a" * 400 + b"b", b"*a" * 400 + b"b", b"%" * 900, b"*%" * 400, b"a*" * 450):
            await connection.tagged(b'LIST "" "%s"' % pattern, seconds=COMMAND_SECONDS)
            await connection.tagged(b'LSUB "" "%s"' % pattern, seconds=COMMAND_SECONDS)
    return f"10 patterns in {time.monotonic() - begun:.1f} s"


async def repeated_fetch_items(target: Target) -> str:
    """The same large section a thousand times in one FETCH, from eight connections at once."""
    async with session(target) as connection:
        await connection.tagged(b"CREATE big")
        await append(connection, b"big", b"Subject: x\r\n\r\n" + b"x" * 260_000 + b"\r\n")

    async def one(item: bytes) -> bytes:
        try:
            async with session(target, b"big") as connection:
                return (
                    await connection.tagged(
                        b"FETCH 1 (%s)" % b" ".join([item] * 1_000), seconds=COMMAND_SECONDS
                    )
                )[:5]
        except PeerGone as error:
            return str(error).encode()

    items = [b"BODY.PEEK[]<%d.250000>" % number for number in range(8)]
    return str(await asyncio.gather(*(one(item) for item in items)))


async def many_keywords(target: Target) -> str:
    """Hundreds of messages, each with long keywords of its own."""
    async with session(target) as connection:
        answers = await _add_keywords(connection, b"keywords")
        await connection.tagged(b"SELECT keywords", seconds=COMMAND_SECONDS)
        await connection.tagged(b"FETCH 1:* (FLAGS)", seconds=COMMAND_SECONDS)
    return str(answers)


async def costly_searches(target: Target) -> str:
    """A thousand text keys, deep nesting, over bodies of a megabyte."""
    async with session(target) as connection:
        await _add_large_messages(connection, b"search")
        await connection.tagged(b"SELECT search")
        begun = time.monotonic()
        commands = (
            b"SEARCH " + b" ".join(b"TEXT word%d" % number for number in range(1_000)),
            b"SEARCH " + b" ".join(b"NOT BODY word%d" % number for number in range(900)),
            b"SEARCH " + b"OR FROM a " * 900 + b"ALL",
            b"SEARCH " + b"(" * 3_000 + b"ALL" + b")" * 3_000,
            b"SEARCH " + b"NOT " * 3_000 + b"ALL",
            b"SEARCH CHARSET UTF-8 TEXT {6000+}\r\n" + b"a" * 6_000,
        )
        answers = [(await connection.tagged(command, seconds=COMMAND_SECONDS))[2:5] for command in commands]
    return f"{answers} in {time.monotonic() - begun:.1f} s"


async def hostile_appends(target: Target) -> str:
    """APPEND of every hostile message, then all columns of the list, and a search in the header."""
    async with session(target) as connection:
        await connection.tagged(b"CREATE odd")
        for octets in (addresses_without_end(), *hostile_messages().values()):
            await append(connection, b"odd", octets)
        await connection.tagged(b"SELECT odd")
        await connection.tagged(
            b"FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])", seconds=COMMAND_SECONDS
        )
        return (
            (await connection.tagged(b"SEARCH HEADER X y FROM a", seconds=COMMAND_SECONDS)).decode().strip()
        )


async def half_sent_literals(target: Target) -> str:
    """Connections that announce 25 MB and send half of it."""
    held: list[bool] = []

    async def one() -> None:
        try:
            async with session(target) as connection:
                await connection.send(b"h APPEND INBOX {25000000+}\r\n" + b"x" * 12_000_000)
                await asyncio.sleep(15)
                held.append(True)
        except PeerGone:
            held.append(False)

    await asyncio.gather(*(one() for _ in range(40)))
    return f"{sum(held)} of {len(held)} held to the end"


async def readers_that_do_not_read(target: Target) -> str:
    """Clients that ask for everything again and again and read nothing."""

    async with session(target) as connection:
        await _add_large_messages(connection, b"unread")

    async def one() -> None:
        with contextlib.suppress(PeerGone):
            async with session(target, b"unread") as connection:
                await connection.send(b"h FETCH 1:* (BODY.PEEK[])\r\n" * 200)
                await asyncio.sleep(15)

    await asyncio.gather(*(one() for _ in range(40)))
    return "40 clients"


async def clients_that_never_log_in(target: Target) -> str:
    """Connections that only stand there, or send junk before a login."""

    async def one(number: int) -> bool:
        junk = (b"", b"h LOGIN {99999999}\r\n", b"h " + b"(" * 7_000 + b"\r\n", b"\x16\x03\x01" + bytes(300))
        try:
            async with peer(target.imap, f"127.0.{2 + number // 90}.77") as connection:
                await connection.send(junk[number % len(junk)])
                await asyncio.sleep(10)
                return True
        except PeerGone:
            return False

    return f"{sum(await asyncio.gather(*(one(number) for number in range(600))))} of 600 stood 10 s"


async def mailboxes_without_end(target: Target) -> str:
    """CREATE, RENAME and DELETE in deep trees, then LIST and STATUS of all."""
    answers: dict[bytes, int] = {}
    async with session(target) as connection:
        for number in range(100):
            answer = (await connection.tagged(b"CREATE t%d/%s" % (number, b"/".join([b"d"] * 20))))[2:4]
            answers[answer] = answers.get(answer, 0) + 1
        await connection.tagged(b"RENAME t0 u0")
        await connection.tagged(b'LIST "" "*"', seconds=COMMAND_SECONDS)
        for _ in range(100):
            await connection.tagged(b"STATUS INBOX (MESSAGES UNSEEN)")
    return str(answers)


async def copies_of_everything(target: Target) -> str:
    """COPY and STORE of a whole mailbox, again and again, from several connections."""

    async with session(target) as connection:
        await _add_keywords(connection, b"source")

    async def one(number: int) -> bytes:
        try:
            async with session(target, b"source") as connection:
                await connection.tagged(b"CREATE copy%d" % number)
                for _ in range(5):
                    await connection.tagged(b"COPY 1:* copy%d" % number, seconds=COMMAND_SECONDS)
                    await connection.tagged(b"STORE 1:* +FLAGS (flag%d)" % number, seconds=COMMAND_SECONDS)
                return await connection.tagged(b"NOOP")
        except PeerGone as error:
            return str(error).encode()

    return str({answer[:5] for answer in await asyncio.gather(*(one(number) for number in range(6)))})


async def _add_keywords(connection: Peer, mailbox: bytes) -> dict[bytes, int]:
    """Add 300 messages, each with 50 keywords of its own; return how often which answer came."""
    answers: dict[bytes, int] = {}
    await connection.tagged(b"CREATE " + mailbox)
    for number in range(300):
        words = b" ".join(b"k%d-%d-%s" % (number, word, b"x" * 100) for word in range(50))
        answer = (await append(connection, mailbox, b"Subject: k\r\n\r\nx\r\n", b"(%s)" % words))[:4]
        answers[answer] = answers.get(answer, 0) + 1
    return answers


async def _add_large_messages(connection: Peer, mailbox: bytes) -> None:
    """Add 20 messages of about 800 kB."""
    await connection.tagged(b"CREATE " + mailbox)
    for number in range(20):
        octets = b"Subject: s\r\n\r\n" + (b"text %d " % number * 100 + b"\r\n") * 1_000
        await append(connection, mailbox, octets)


ATTACKS = (
    list_patterns,
    repeated_fetch_items,
    many_keywords,
    costly_searches,
    hostile_appends,
    half_sent_literals,
    readers_that_do_not_read,
    clients_that_never_log_in,
    mailboxes_without_end,
    copies_of_everything,
)
