"""Mailboxes and commands that are made to cost much: they hold nobody up, and little memory."""

import random
import time
import tracemalloc
from dataclasses import replace

import pytest
from imap_dialogue import letter
from imap_doubles import World
from test_imap_limits import LAG, MEGABYTE, _ask, _selected

from mailyard.imap.grammar.patterns import matches, simplified
from mailyard.imap.limits import ImapLimits
from mailyard.imap.server.connection import ServerConnection
from mailyard.imap.server.events import CommandReceived, CommandRejected
from mailyard.imap.states import Transition
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.flagtable import MAX_NAMES, FlagTable
from mailyard.mailbox.model import FlagState

KEYWORDS = [f"{number:0128}" for number in range(900)]


def _different_flags(count, keywords=90):
    chance = random.Random(7)
    return [frozenset(chance.sample(KEYWORDS, keywords)) for _ in range(count)]


def _world(flags):
    """A world whose INBOX has a message for each of these sets of flags."""
    world = World()
    box = world.box("INBOX")
    message = box.messages[world.deliver("INBOX", letter("note"))]
    box.messages = {uid: replace(message, uid=uid, flags=each) for uid, each in enumerate(flags, start=1)}
    box.row = replace(box.row, uid_next=len(box.messages) + 1)
    return world


@pytest.mark.parametrize(
    "command",
    [
        b"SEARCH KEYWORD x",
        b"SEARCH NOT KEYWORD %b NEW" % KEYWORDS[0].encode(),
        b"FETCH 1:* FLAGS",
        b"STORE 1:500 +FLAGS (\\Seen)",
        b"EXPUNGE",
        b"CLOSE",
    ],
)
async def test_messages_with_flags_of_their_own_hold_nobody_up(command):
    world = _world(_different_flags(1_500))
    dialogue = await _selected(world)
    (await dialogue.client("1")).channel.write = lambda _: None
    _, lag = await _ask(dialogue, command)
    assert lag < LAG
    await dialogue.close()


async def test_the_flags_of_many_messages_are_written_some_octets_at_a_time():
    world = _world(_different_flags(2_000))
    dialogue = await _selected(world)
    written = []
    (await dialogue.client("1")).channel.write = lambda octets: written.append(len(octets))
    tracemalloc.start()
    await _ask(dialogue, b"FETCH 1:* FLAGS")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(written) > 2_000 * 90 * 128
    assert max(written) < 100_000
    assert peak < 8 * MEGABYTE
    await dialogue.close()


def test_a_table_of_messages_with_flags_of_their_own_takes_little_memory():
    different = [frozenset(f"{number}-{index}-{'x' * 100}" for index in range(10)) for number in range(1_000)]
    tracemalloc.start()
    table = FlagTable()
    for uid, flags in enumerate(_different_flags(3_000) + different, start=1):
        table.add(uid, uid, frozenset(flag[:-1] + flag[-1] for flag in flags))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 12 * MEGABYTE
    assert len(table.names) == MAX_NAMES
    assert next(iter(table)).flags == _different_flags(1)[0]


def test_a_view_of_very_many_different_sets_of_flags_keeps_all_of_them():
    different = [
        frozenset(f"k{index}" for index in range(14) if number >> index & 1) for number in range(10_000)
    ]
    view = MessageView(FlagState(uid, 1, flags) for uid, flags in enumerate(different, start=1))
    assert [view.flags(index) for index in range(len(view))] == different


async def test_news_of_many_messages_hold_nobody_up():
    world = _world([frozenset()] * 8_000)
    box = world.box("INBOX")
    dialogue = await _selected(world)
    world.change(box, list(box.messages), lambda message: replace(message, flags=frozenset({"\\Seen"})))
    answer, lag = await _ask(dialogue, b"NOOP")
    assert answer.count(b" FETCH (UID ") == 8_000
    assert lag < 2 * LAG
    await dialogue.close()


async def test_a_search_of_long_header_fields_holds_nobody_up():
    world = World()
    words = b"".join(b"=?utf-8?q?m=C3=B6re_w=C3=B6rds?=\r\n " for _ in range(100))
    for _ in range(1_000):
        world.deliver("INBOX", b"Subject: %b\r\nTo: %b\r\nCc: %b\r\n\r\nx" % (words, words, words))
    dialogue = await _selected(world)
    answer, lag = await _ask(dialogue, b"SEARCH SUBJECT nothing TO nothing")
    assert answer.startswith(b"* SEARCH\r\n")
    assert lag < LAG
    await dialogue.close()


def test_many_literals_of_one_command_take_linear_time():
    connection = ServerConnection(ImapLimits())
    connection.change_state(Transition.LOGGED_IN)
    connection.receive_data(b"a ID (" + b"{0+}\r\n " * 37_000 + b")\r\nb NOOP\r\n")
    events, longest, started = [], 0.0, time.thread_time()
    while len(events) < 2:
        before = time.thread_time()
        event = connection.next_event()
        longest = max(longest, time.thread_time() - before)
        assert event is not None or connection.is_busy
        events += [event] * (event is not None)
    assert time.thread_time() - started < 1
    assert longest < LAG
    assert list(map(type, events)) == [CommandRejected, CommandReceived]


async def test_many_literals_of_one_command_hold_nobody_up():
    dialogue = await _selected(World())
    answer, lag = await _ask(dialogue, b"ID (" + b"{0+}\r\n " * 37_000 + b")")
    assert answer.startswith(b"t BAD ")
    assert lag < LAG
    await dialogue.close()


def test_nested_search_keys_take_linear_time():
    connection = ServerConnection(ImapLimits())
    connection.change_state(Transition.LOGGED_IN)
    connection.change_state(Transition.OPENED)
    started = time.thread_time()
    connection.receive_data(b"a SEARCH " + b"OR " * 1_999 + b"SEEN " * 2_000 + b"\r\n")
    assert isinstance(connection.next_event(), CommandReceived)
    assert time.thread_time() - started < 0.1


def test_a_pattern_with_many_runs_of_wildcards_is_simplified_once():
    pattern = simplified("**a" * 2_700)
    started = time.thread_time()
    assert not any(matches(pattern, "a" * 990 + f"/{number:05}", "/") for number in range(100))
    assert time.thread_time() - started < 0.5
    assert simplified("a**b%%c*%%d") == "a*b%c*d"


def test_messages_that_came_one_by_one_are_found_to_be_recent_in_short_time():
    view = MessageView(FlagState(uid, 1, frozenset()) for uid in range(1, 20_001))
    for uid in range(2, 20_001, 2):
        view.claim_recent(uid, uid)
    started = time.thread_time()
    assert [view.is_recent(index) for index in range(6)] == [False, True] * 3
    assert sum(view.is_recent(index) for index in range(20_000)) == 10_000
    assert time.thread_time() - started < 1
    view.claim_recent(20_001, 20_005)
    assert view.recent_count() == 10_000
