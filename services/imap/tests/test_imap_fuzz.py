"""Whatever a client sends, before and after login, the session answers in protocol and is not at fault."""

from hypothesis import given, settings
from hypothesis import strategies as st
from imap_dialogue import Dialogue, letter
from imap_doubles import PASSWORD
from imap_strategies import appends, commands


@st.composite
def _disturbed(draw):
    """Commands, with some octets changed, left out or doubled."""
    lines = draw(st.lists(commands | appends, min_size=1, max_size=5))
    octets = bytearray(b"".join(b"t%d %b\r\n" % (number, line.encode()) for number, line in enumerate(lines)))
    disturbances = st.tuples(st.integers(0, len(octets) - 1), st.sampled_from("cdi"), st.integers(0, 255))
    for place, kind, octet in draw(st.lists(disturbances, max_size=6)):
        match kind:
            case "c":
                octets[place : place + 1] = bytes((octet,))
            case "d":
                del octets[place : place + 1]
            case _:
                octets[place:place] = octets[place : place + 3]
    return bytes(octets)


async def _send(octets, *, log_in):
    dialogue = Dialogue()
    dialogue.greets = not log_in
    for name in ("note", "multi"):
        dialogue.world.deliver("INBOX", letter(name))
    client = await dialogue.client("1")
    if log_in:
        client.session.connection.receive_data(b"s SELECT INBOX\r\n")
    client.session.connection.receive_data(octets)
    client.channel.wake()
    try:
        await client.settle()
        if client.task.done():
            assert client.task.exception() is None
        return bytes(client.channel.sent)
    finally:
        await dialogue.close()


@settings(max_examples=300, deadline=None)
@given(_disturbed())
async def test_disturbed_commands_find_no_fault_in_a_session(octets):
    sent = await _send(octets, log_in=True)
    assert b"SERVERBUG" not in sent
    assert sent.endswith(b"\r\n")


@settings(max_examples=100, deadline=None)
@given(_disturbed() | st.binary(max_size=300))
async def test_nobody_gets_in_without_the_password(octets):
    if PASSWORD.encode() in octets:
        return
    sent = await _send(octets, log_in=False)
    assert b"SERVERBUG" not in sent
    assert b"Logged in" not in sent
