"""A mailbox has so many keywords, whichever way they come; messages are never lost by it."""

from imap_dialogue import Dialogue, letter
from imap_doubles import World

from mailyard.imap_server.session.keywords import MailboxKeywords
from mailyard.imap_server.session.options import SessionOptions
from mailyard.mailbox.flagtable import FlagTable

LEFT_OUT = "* NO [LIMIT] Keywords were left out: a mailbox has 1000 at most"


def _full(name):
    """A world whose mailbox of this name has 1,000 keywords."""
    world = World()
    for first in range(0, 1_000, 100):
        world.deliver(name, letter("note"), [f"k{number}" for number in range(first, first + 100)])
    return world


def _flags(world, name):
    return [sorted(message.flags) for message in world.box(name).present]


async def _select_inbox(dialogue):
    client = await dialogue.client("1")
    client.session.connection.receive_data(b"s SELECT INBOX\r\n")
    client.channel.wake()
    await client.settle()
    client.read = len(client.channel.sent)


async def test_append_keeps_the_message_and_leaves_out_keywords_without_room():
    world = _full("Archive")
    dialogue = Dialogue(world, SessionOptions())
    await dialogue.run(
        "C+ a APPEND Archive (\\Seen K7 new) {6+}\\x0d\\x0aa: b\\x0d\\x0a\\x0d\\x0a\n"
        f"S: {LEFT_OUT}\nS~ a OK .APPENDUID .*"
    )
    assert _flags(world, "Archive")[-1] == ["K7", "\\Seen"]
    assert world.calls.count("flag_states") == 1


async def test_append_to_the_selected_mailbox_asks_nobody():
    world = _full("INBOX")
    dialogue = Dialogue(world, SessionOptions())
    await _select_inbox(dialogue)
    await dialogue.run(
        f"C+ a APPEND INBOX (new) {{6+}}\\x0d\\x0aa: b\\x0d\\x0a\\x0d\\x0a\nS: {LEFT_OUT}\n"
        "S: * 11 EXISTS\nS: * 11 RECENT\nS~ a OK .APPENDUID .*"
    )
    assert world.calls.count("flag_states") == 1


async def test_copy_and_move_keep_messages_and_leave_out_keywords_without_room():
    world = _full("Archive")
    world.deliver("INBOX", letter("note"), ["\\Flagged", "other", "k1"])
    world.deliver("INBOX", letter("note"), ["another"])
    world.deliver("INBOX", letter("note"), ["\\Seen"])
    dialogue = Dialogue(world, SessionOptions())
    await _select_inbox(dialogue)
    await dialogue.run(
        f"C: a COPY 1 Archive\nS: {LEFT_OUT}\nS~ a OK .COPYUID .*\n"
        f"C: b MOVE 2 Archive\nS: {LEFT_OUT}\nS~ .* OK .COPYUID .*\nS: * 2 EXPUNGE\nS~ b OK .*\n"
        "C: c COPY 2 Archive\nS~ c OK .COPYUID .*"
    )
    assert _flags(world, "Archive")[-3:] == [["\\Flagged", "k1"], [], ["\\Seen"]]
    assert len(world.box("INBOX").present) == 2


async def test_keywords_are_read_once_in_a_while_and_those_that_came_meanwhile_count():
    world, now, reads = World(), [0.0], []

    async def flag_states(mailbox):
        reads.append(mailbox.id)
        table = FlagTable()
        table.add(1, 1, frozenset({"\\Seen", "Old"}))
        return table

    keywords = MailboxKeywords(flag_states, lambda: now[0], most=3)
    inbox, drafts = world.box("INBOX").row, world.box("Drafts").row
    assert await keywords.accepted(inbox, frozenset({"\\Seen", "\\Draft"})) == {"\\Seen", "\\Draft"}
    assert reads == []
    assert await keywords.accepted(inbox, frozenset({"\\Seen", "OLD", "a"})) == {"\\Seen", "OLD", "a"}
    keywords.note(inbox.id, frozenset({"\\Seen", "b"}))
    assert await keywords.accepted(inbox, frozenset({"A", "B", "c"})) == {"A", "B"}
    assert await keywords.accepted(drafts, frozenset({"c"})) == {"c"}
    assert reads == [inbox.id, drafts.id]
    now[0] += 600
    assert await keywords.accepted(inbox, frozenset({"c"})) == {"c"}
    assert reads == [inbox.id, drafts.id, inbox.id]
