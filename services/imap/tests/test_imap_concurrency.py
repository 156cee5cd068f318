"""Searches and appends of all sessions share bounds on what is in memory at the same time."""

import asyncio

import pytest
from imap_dialogue import Client, Dialogue
from imap_doubles import MemoryBackend

from mailyard.imap_server.session import concurrency
from mailyard.imap_server.session.concurrency import ConcurrencyLimits

LARGE = b"Subject: x\r\n\r\n" + b"y" * 300_000


async def send(client: Client, octets: bytes) -> bytes:
    """Send a command; return what the client has read once the server waits, for input or for its turn."""
    start = len(client.channel.sent)
    client.session.connection.receive_data(octets)
    client.channel.wake()
    for _ in range(200):
        if client.channel.quiet:
            break
        await asyncio.sleep(0.001)
    return bytes(client.channel.sent[start:])


@pytest.mark.parametrize(
    ("bound", "message", "octets", "answer"),
    [
        ("search_rows", b"Subject: x\r\n\r\ny", b"t SEARCH SUBJECT x\r\n", b"* SEARCH 1\r\n"),
        ("search_small_bodies", b"Subject: x\r\n\r\ny", b"t SEARCH BODY y\r\n", b"* SEARCH 1\r\n"),
        ("search_large_bodies", LARGE, b"t SEARCH BODY y\r\n", b"* SEARCH 1\r\n"),
        (
            "large_messages",
            b"x: y\r\n\r\n",
            b"t APPEND Drafts {%d+}\r\n%b\r\n" % (len(LARGE), LARGE),
            b"t OK [APPENDUID",
        ),
    ],
)
async def test_a_command_waits_for_its_turn_and_other_commands_go_on(
    bound: str, message: bytes, octets: bytes, answer: bytes
) -> None:
    backend = MemoryBackend()
    backend.deliver("INBOX", message)
    dialogue = Dialogue(backend)
    waiting, other = await dialogue.client("1"), await dialogue.client("2")
    await send(waiting, b"s SELECT INBOX\r\n")
    turns = getattr(backend.concurrency, bound)
    while not turns.locked():
        await turns.acquire()
    assert answer not in await send(waiting, octets)
    assert b"o OK" in await send(other, b"o NOOP\r\n")
    turns.release()
    await waiting.settle()
    assert answer in waiting.channel.sent
    assert not turns.locked()  # the turn was given back
    await dialogue.close()


async def test_each_bound_lets_as_many_sessions_pass_as_its_constant_says() -> None:
    limits = ConcurrencyLimits()
    for turns, most in (
        (limits.search_rows, concurrency.SEARCHES_WITH_ROWS),
        (limits.search_small_bodies, concurrency.SEARCHES_WITH_SMALL_BODIES),
        (limits.search_large_bodies, concurrency.SEARCHES_WITH_LARGE_BODIES),
        (limits.small_messages, concurrency.SMALL_MESSAGES_PARSED),
        (limits.large_messages, concurrency.LARGE_MESSAGES_PARSED),
    ):
        for _ in range(most):
            assert not turns.locked()
            await turns.acquire()
        assert turns.locked()


async def test_two_processes_do_not_share_their_bounds() -> None:
    first, second = ConcurrencyLimits(), ConcurrencyLimits()
    await first.large_messages.acquire()
    assert not second.large_messages.locked()
