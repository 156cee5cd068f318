"""Commands on many messages go to the store in portions; what fails in the middle leaves no half-done COPY."""

import pytest
from imap_dialogue import Dialogue, letter

from mailyard.imap_server.handlers import storing, transferring


@pytest.fixture
async def dialogue(monkeypatch):
    monkeypatch.setattr(storing, "AT_A_TIME", 2)
    monkeypatch.setattr(transferring, "AT_A_TIME", 2)
    dialogue = Dialogue()
    for _ in range(5):
        dialogue.world.deliver("INBOX", letter("note"))
    yield dialogue
    await dialogue.close()


async def _ask(dialogue, command):
    client = await dialogue.client("1")
    client.session.connection.receive_data(b"t " + command + b"\r\n")
    client.channel.wake()
    await client.settle()
    answer, client.read = client.unread, len(client.channel.sent)
    return answer


def _uids(dialogue, mailbox):
    return [message.uid for message in dialogue.world.box(mailbox).present]


async def test_a_copy_in_portions_has_one_copyuid(dialogue):
    await _ask(dialogue, b"SELECT INBOX")
    assert b"t OK [COPYUID 1700000002 1:5 1:5] COPY" in await _ask(dialogue, b"COPY 1:5 Archive")
    assert dialogue.world.calls.count("copy") == 3


async def test_a_copy_that_fails_in_the_middle_leaves_nothing(dialogue):
    await _ask(dialogue, b"SELECT INBOX")
    dialogue.world.fails_at = {"copy": 3}
    assert b"t NO [UNAVAILABLE]" in await _ask(dialogue, b"COPY 1:5 Archive")
    assert _uids(dialogue, "Archive") == []


async def test_a_move_that_fails_in_the_middle_tells_what_it_has_moved(dialogue):
    await _ask(dialogue, b"SELECT INBOX")
    dialogue.world.fails_at = {"move": 2}
    answer = await _ask(dialogue, b"MOVE 1:5 Archive")
    assert b"* OK [COPYUID 1700000002 1:2 1:2] Moved\r\n" in answer
    assert b"t NO [UNAVAILABLE]" in answer
    assert (_uids(dialogue, "INBOX"), _uids(dialogue, "Archive")) == ([3, 4, 5], [1, 2])


async def test_flags_and_expunges_go_in_portions(dialogue):
    await _ask(dialogue, b"SELECT INBOX")
    assert b"t OK" in await _ask(dialogue, b"STORE 1:5 +FLAGS.SILENT (\\Deleted)")
    assert dialogue.world.calls.count("store") == 3
    answer = await _ask(dialogue, b"EXPUNGE")
    assert (
        answer
        == b"* 5 EXPUNGE\r\n* 4 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nt OK EXPUNGE completed\r\n"
    )
    assert dialogue.world.calls.count("expunge") == 3
