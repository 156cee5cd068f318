"""UID FETCH of one message after another: read together, answered one by one."""

import pytest
from imap_dialogue import Dialogue, letter


@pytest.fixture
async def dialogue():
    dialogue = Dialogue()
    for _ in range(6):
        dialogue.world.deliver("INBOX", letter("note"))
    client = await dialogue.client("1")
    await _ask(client, b"s EXAMINE INBOX\r\n")
    dialogue.world.calls.clear()
    yield dialogue
    await dialogue.close()


async def _ask(client, octets):
    client.session.connection.receive_data(octets)
    client.channel.wake()
    await client.settle()
    answer, client.read = client.unread, len(client.channel.sent)
    return answer


def _fetch(uid, item=b"BODY.PEEK[TEXT]<0.5>"):
    return b"t%d UID FETCH %d (%b)\r\n" % (uid, uid, item)


def _answer(uid, number=None):
    return b"* %d FETCH (UID %d BODY[TEXT]<0> {5}\r\nHello)\r\nt%d OK FETCH completed\r\n" % (
        number or uid,
        uid,
        uid,
    )


async def test_commands_that_come_together_are_read_together(dialogue):
    client = await dialogue.client("1")
    assert await _ask(client, b"".join(map(_fetch, (2, 1, 6, 3)))) == b"".join(map(_answer, (2, 1, 6, 3)))
    assert (dialogue.world.calls.count("fetch"), dialogue.world.calls.count("read_many")) == (1, 1)
    assert client.session.fetch_ahead.bodies == {}


async def test_one_command_alone_is_read_alone(dialogue):
    client = await dialogue.client("1")
    assert await _ask(client, _fetch(2)) == _answer(2)
    assert (dialogue.world.calls.count("fetch"), dialogue.world.calls.count("read_many")) == (1, 1)


async def test_other_commands_end_the_run_and_are_answered_in_their_turn(dialogue):
    client = await dialogue.client("1")
    sent = (
        _fetch(1)
        + _fetch(2)
        + b"n NOOP\r\n"
        + _fetch(3)
        + _fetch(4, b"UID")
        + _fetch(5)
        + b"bad\r\n"
        + _fetch(6)
    )
    answer = await _ask(client, sent)
    assert answer == b"".join(
        (
            _answer(1),
            _answer(2),
            b"n OK NOOP completed\r\n",
            _answer(3),
            b"* 4 FETCH (UID 4)\r\nt4 OK FETCH completed\r\n",
            _answer(5),
            b"bad BAD Expected a space\r\n",
            _answer(6),
        )
    )


async def test_messages_that_are_gone_or_lost_are_missing_as_they_would_be_alone(dialogue):
    client, world = await dialogue.client("1"), dialogue.world
    box = world.box("INBOX")
    del world.bodies[box.messages[2].blob_id]
    del box.messages[3]
    answer = await _ask(client, b"".join(map(_fetch, (1, 2, 3, 9, 4))))
    assert answer == (
        _answer(1)
        + b"t2 NO [SERVERBUG] Some messages cannot be read\r\n"
        + b"t3 OK FETCH completed\r\n"
        + b"t9 OK FETCH completed\r\n"
        + _answer(4)
    )


async def test_reading_ahead_keeps_the_line_at_idle(dialogue):
    client = await dialogue.client("1")
    answer = await _ask(client, _fetch(1) + _fetch(2) + b"i IDLE\r\nDONE\r\n" + _fetch(3))
    assert answer == _answer(1) + _answer(2) + b"+ idling\r\ni OK IDLE completed\r\n" + _answer(3)


async def test_a_server_that_stops_answers_the_command_in_hand_and_leaves_the_rest(dialogue):
    client = await dialogue.client("1")
    client.session.connection.receive_data(b"".join(map(_fetch, range(1, 7))))
    client.session.stop()
    await client.settle()
    assert client.task.done()
    assert client.unread == _answer(1) + b"* BYE [UNAVAILABLE] Server is shutting down\r\n"
