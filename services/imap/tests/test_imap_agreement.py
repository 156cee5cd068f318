"""Several sessions change one mailbox in any order: each client that believes its responses ends up with the truth."""

import re
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from imap_dialogue import Dialogue

_EXISTS = re.compile(rb"\* (\d+) EXISTS")
_EXPUNGE = re.compile(rb"\* (\d+) EXPUNGE")
_FETCH = re.compile(rb"\* (\d+) FETCH \((?:.*)UID (\d+)")
_HOLDS = ("FETCH", "STORE", "SEARCH")


@dataclass
class Picture:
    """Messages by number; None where the UID is not known yet."""

    uids: list[int | None] = field(default_factory=list)

    def hear(self, line, command):
        if match := _EXISTS.match(line):
            count = int(match[1])
            assert count >= len(self.uids), "a message went without EXPUNGE"
            self.uids += [None] * (count - len(self.uids))
        elif match := _EXPUNGE.match(line):
            assert not command.startswith(_HOLDS), f"EXPUNGE during {command}"
            del self.uids[int(match[1]) - 1]
        elif match := _FETCH.match(line):
            place, uid = int(match[1]) - 1, int(match[2])
            assert self.uids[place] in {None, uid}, "a number means another message than before"
            self.uids[place] = uid


class Scene:
    """Three clients with the INBOX selected."""

    def __init__(self):
        self.dialogue = Dialogue()
        self.pictures = {who: Picture() for who in "123"}

    async def say(self, who, command, then=b""):
        client = await self.dialogue.client(who)
        client.session.connection.receive_data(f"t {command}\r\n".encode() + then)
        client.channel.wake()
        for each in self.dialogue.clients.values():
            await each.settle()
        while (line := client.next_line()) is not None:
            self.pictures[who].hear(line, command)
            if line.startswith(b"t "):
                return line
        raise AssertionError(f"{command} was not answered")


_ACTIONS = st.sampled_from(
    [
        "NOOP",
        "FETCH 1:* (UID)",
        "UID FETCH 1:* (FLAGS)",
        "SEARCH ALL",
        "UID SEARCH DELETED",
        "STORE 1:2 +FLAGS (\\Deleted)",
        "STORE 2 -FLAGS.SILENT (\\Deleted)",
        "UID STORE 3:4 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
        "UID EXPUNGE 1:3",
        "COPY 1:2 INBOX",
        "UID MOVE 2:3 Archive",
        "UID MOVE 1:* INBOX",
        "IDLE",
        "APPEND",
        "time",
    ]
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("123"), _ACTIONS), max_size=25))
async def test_clients_that_believe_their_responses_are_right(actions):
    scene = Scene()
    world = scene.dialogue.world
    try:
        for who in "123":
            await scene.say(who, "SELECT INBOX")
        for who, action in actions:
            if action == "time":
                world.clock.advance(2)
            elif action == "APPEND":
                await scene.say(who, "APPEND INBOX {4+}", b"a: b\r\n")
            elif action == "IDLE":
                await scene.say(who, "IDLE", b"DONE\r\n")
            else:
                await scene.say(who, action)
        truth = [message.uid for message in world.box("INBOX").present]
        for who in "123":
            await scene.say(who, "NOOP")
            await scene.say(who, "FETCH 1:* (UID)")
            assert scene.pictures[who].uids == truth
    finally:
        await scene.dialogue.close()
