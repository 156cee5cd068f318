"""Bounds of what one client can make the service hold or do; docs/limits.md names these tests."""

import asyncio
import time
import tracemalloc

import pytest
from imap_dialogue import Dialogue, letter
from imap_doubles import World
from imap_encoding import encode

from mailyard.imap.commands.registry import command
from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.limits import BEFORE_LOGIN, ImapLimits
from mailyard.imap_server.session.flagsets import FlagSets
from mailyard.imap_server.session.options import SessionOptions
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.model import FlagState

MEGABYTE = 1_000_000
LAG = 0.1  # seconds of the event loop's processor time without a turn for other sessions


async def _ask(dialogue, text, then=b""):
    """Send a command by client 1; return all that was answered, and the longest time without a turn for others."""
    client = await dialogue.client("1")
    start = len(client.channel.sent)
    client.session.connection.receive_data(b"t " + text + b"\r\n" + then)
    client.channel.wake()
    longest, before = 0.0, time.thread_time()
    until = time.monotonic() + 60
    while not (client.channel.quiet or client.task.done()):
        await asyncio.sleep(0.001)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
        assert time.monotonic() < until, "the command does not end"
    return bytes(client.channel.sent[start:]), longest


async def _selected(world):
    dialogue = Dialogue(world, SessionOptions())
    await _ask(dialogue, b"SELECT INBOX")
    return dialogue


def test_a_fetch_has_so_many_items_and_each_once():
    items = b" ".join(b"BODY.PEEK[]<%d.1>" % number for number in range(65))
    with pytest.raises(CommandSyntaxError, match="too long"):
        command(Cursor(b"FETCH 1 (%b)" % items))
    parsed = command(Cursor(b"FETCH 1 (" + b" ".join([b"BODY.PEEK[]"] * 60) + b" UID)"))
    assert len(parsed.items) == 2


async def test_a_fetch_of_many_pieces_of_one_message_holds_little_memory():
    world = World()
    world.deliver("INBOX", b"Subject: x\r\n\r\n" + b"y" * 262_000)
    dialogue = await _selected(world)
    client = await dialogue.client("1")
    written = 0

    def write(octets):
        nonlocal written
        written += len(octets)

    client.channel.write = write
    items = b" ".join(b"BODY.PEEK[]<%d.262000>" % number for number in range(64))
    tracemalloc.start()
    await _ask(dialogue, b"FETCH 1 (%b)" % items)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written > 64 * 261_900
    assert peak < 4 * MEGABYTE
    await dialogue.close()


async def test_header_fields_of_a_hostile_header_hold_little_memory_and_nobody_up():
    world = World()
    world.deliver("INBOX", b"a:\r\n" * 40_000 + b"\r\n")
    dialogue = await _selected(world)
    (await dialogue.client("1")).channel.write = lambda _: None
    items = b" ".join(b"BODY.PEEK[HEADER.FIELDS.NOT (x%d)]" % number for number in range(8))
    tracemalloc.start()
    _, lag = await _ask(dialogue, b"FETCH 1 (%b)" % items)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MEGABYTE
    assert lag < LAG
    await dialogue.close()


@pytest.mark.parametrize(
    "keys",
    [
        b"OR FROM a " * 400 + b"ALL",
        b"OR FROM a (" * 400 + b"ALL" + b")" * 400,
        b"SUBJECT x " * 1000 + b"ALL",
        b"NOT " * 3_999 + b"ALL",
        b"(" * 1_000 + b"ALL" + b")" * 1_000,
        b"OR NOT (SEEN " * 700 + b"ALL" + b") ALL" * 700,
    ],
)
async def test_search_keys_may_nest_as_deep_as_there_may_be_keys(keys):
    world = World()
    world.deliver("INBOX", letter("note"))
    dialogue = await _selected(world)
    answer, _ = await _ask(dialogue, b"SEARCH " + keys)
    assert answer.endswith(b"t OK SEARCH completed\r\n")
    parsed = command(Cursor(b"SEARCH " + keys, ImapLimits()))
    assert encode(command(Cursor(encode(parsed)))) == encode(parsed)
    await dialogue.close()


def test_search_keys_have_a_largest_number_however_they_nest():
    for keys in (b"SEEN " * 4_001, b"NOT " * 4_001 + b"ALL", b"(" * 60_000 + b"ALL"):
        with pytest.raises(CommandSyntaxError, match="Too many search keys"):
            command(Cursor(b"SEARCH " + keys))


def test_a_search_looks_for_so_many_texts_in_bodies():
    several = b" ".join(b"TEXT a%d" % number for number in range(101))
    with pytest.raises(CommandRefused) as refused:
        command(Cursor(b"SEARCH " + several))
    assert refused.value.code == "LIMIT"
    command(Cursor(b"SEARCH " + b" ".join([b"BODY x"] * 1_000)))


async def test_a_search_of_bodies_holds_nobody_up():
    world = World()
    for number in range(40):
        world.deliver(
            "INBOX", b"Subject: x\r\n\r\n" + b"some words and m\xc3\xb6re " * 10_000 + b"%d" % number
        )
    dialogue = await _selected(world)
    texts = b" ".join(b"NOT BODY words%d" % number for number in range(100))
    answer, lag = await _ask(dialogue, b"SEARCH " + texts)
    assert b"* SEARCH 1 2 3" in answer
    assert lag < LAG
    await dialogue.close()


async def test_a_search_with_thousands_of_keys_holds_nobody_up():
    world = World()
    for _ in range(300):
        world.deliver("INBOX", letter("note"))
    dialogue = await _selected(world)
    answer, lag = await _ask(dialogue, b"SEARCH " + b"UNSEEN " * 3_900)
    assert answer.endswith(b" 300\r\nt OK SEARCH completed\r\n")
    assert lag < LAG
    await dialogue.close()


async def test_an_append_with_a_hostile_header_holds_nobody_up():
    dialogue = await _selected(World())
    octets = b"From: " + b"a@" * 100_000 + b"\r\nTo: " + b"<x@y>," * 8_000 + b"\r\n\r\n"
    answer, lag = await _ask(dialogue, b"APPEND INBOX {%d+}" % len(octets), octets + b"\r\n")
    assert b"t OK [APPENDUID" in answer
    assert lag < LAG
    await dialogue.close()


async def test_a_list_of_many_names_with_a_hostile_pattern_holds_nobody_up():
    world = World()
    for number in range(1_000):
        world.add_box("a" * 990 + f"{number:05}")
    dialogue = Dialogue(world, SessionOptions())
    answer, lag = await _ask(dialogue, b'LIST "" "' + b"%a" * 499 + b'b"')
    assert answer == b"t OK LIST completed\r\n"
    assert lag < LAG
    await dialogue.close()


def test_a_list_has_so_many_elements():
    fields = b" ".join(b"x%d" % number for number in range(1_001))
    with pytest.raises(CommandSyntaxError, match="too long"):
        command(Cursor(b"FETCH 1 BODY[HEADER.FIELDS (%b)]" % fields))


def test_flags_of_one_command_have_a_largest_number():
    many = b" ".join(b"k%d" % number for number in range(101))
    for text in (b"STORE 1 FLAGS (%b)", b"STORE 1 +FLAGS %b"):
        with pytest.raises(CommandSyntaxError, match="too long"):
            command(Cursor(text % many))


async def test_keywords_of_a_message_and_of_a_mailbox_have_a_largest_number():
    world = World()
    for first in range(0, 1_000, 100):
        world.deliver("INBOX", letter("note"), [f"k{number}" for number in range(first, first + 100)])
    world.deliver("INBOX", letter("note"))
    dialogue = await _selected(world)
    assert (await _ask(dialogue, b"STORE 1 +FLAGS (\\Seen)"))[0].startswith(b"t NO [LIMIT] A message has")
    assert (await _ask(dialogue, b"STORE 11 +FLAGS (one-more)"))[0].startswith(b"t NO [LIMIT] A mailbox has")
    assert b"t OK" in (await _ask(dialogue, b"STORE 11 +FLAGS (K1)"))[0]
    assert b"t OK" in (await _ask(dialogue, b"STORE 1 -FLAGS (k1)"))[0]
    await dialogue.close()


def test_sets_of_flags_that_no_message_has_any_more_are_forgotten():
    view = MessageView([FlagState(1, 1, frozenset())])
    tracemalloc.start()
    for number in range(20_000):
        view.set_flags(0, frozenset(f"k{index}" for index in range(15) if number >> index & 1))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert view.flags(0) == {f"k{index}" for index in range(15) if 19_999 >> index & 1}
    assert held < 4 * MEGABYTE


def test_messages_with_keywords_of_their_own_take_little_memory():
    tracemalloc.start()
    sets = FlagSets()
    for number in range(5_000):
        sets.number(frozenset(f"{number}-{index}-{'x' * 100}" for index in range(10)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sets.left_out
    assert len(sets.keywords) == 1_000
    assert held < 8 * MEGABYTE


async def test_an_id_before_login_may_be_as_long_as_rfc_2971_permits():
    fields = b" ".join(b'"k%029d" "%b"' % (number, b"x" * 1024) for number in range(30))
    assert len(fields) < BEFORE_LOGIN.line
    dialogue = Dialogue(World())
    dialogue.greets = True
    client = await dialogue.client("1")
    client.read = len(client.channel.sent)
    client.session.connection.receive_data(b"a ID (%b)\r\n" % fields)
    client.channel.wake()
    await client.settle()
    assert client.unread.endswith(b"a OK ID completed\r\n")
    await dialogue.close()
