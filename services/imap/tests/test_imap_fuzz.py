"""Whatever a client sends, before and after login, the session answers in protocol and is not at fault."""

from hypothesis import given, settings
from hypothesis import strategies as st
from imap_dialogue import Dialogue, letter
from imap_doubles import PASSWORD
from imap_encoding import encode
from imap_strategies import appends, commands


@st.composite
def _disturbed(draw):
    """Commands, with some octets changed, left out or doubled."""
    lines = draw(st.lists(commands | appends, min_size=1, max_size=5))
    octets = bytearray(b"".join(b"t%d %b\r\n" % (number, encode(line)) for number, line in enumerate(lines)))
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


_WORDS = (
    *(
        b"UID",
        b"FETCH",
        b"STORE",
        b"SEARCH",
        b"COPY",
        b"MOVE",
        b"EXPUNGE",
        b"SELECT",
        b"EXAMINE",
        b"CREATE",
        b"DELETE",
    ),
    *(
        b"RENAME",
        b"LIST",
        b"LSUB",
        b"STATUS",
        b"APPEND",
        b"NOOP",
        b"CHECK",
        b"CLOSE",
        b"ID",
        b"NAMESPACE",
        b"SUBSCRIBE",
    ),
    *(
        b"1",
        b"1:*",
        b"*",
        b"2,9999999999",
        b"1:4294967295",
        b"0",
        b"(",
        b")",
        b"((",
        b"))",
        b'"',
        b'"a b"',
        b'"\\',
        b"NIL",
    ),
    *(
        b"NOT",
        b"OR",
        b"ALL",
        b"SEEN",
        b"NEW",
        b"KEYWORD",
        b"FROM",
        b"TEXT",
        b"BODY",
        b"HEADER",
        b"SENTON",
        b"LARGER",
    ),
    *(
        b"31-Feb-2024",
        b"0-Jan-0000",
        b'"1-Jan-2024 10:00:00 +0700"',
        b"99999999999999999999",
        b"CHARSET",
        b"koi8-r",
    ),
    *(
        b"FLAGS",
        b"+FLAGS.SILENT",
        b"-FLAGS",
        b"\\Seen",
        b"\\Recent",
        b"$a",
        b"$A",
        b"INBOX",
        b"inbox",
        b"Archive",
        b"a/b/",
    ),
    *(
        b"BODY[]",
        b"BODY.PEEK[HEADER.FIELDS (To)]<0.9>",
        b"BODY[1.1.MIME]",
        b"ENVELOPE",
        b"RFC822",
        b"BODYSTRUCTURE",
    ),
    *(
        b"&AGE-",
        b"&-",
        b"%",
        b"*%",
        b"{3}\r\nabc",
        b"{3+}\r\na\x00c",
        b"~{2+}\r\n\x00\xff",
        b"{99999999+}",
        b"\xc3\xa9",
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=8), min_size=1, max_size=8))
async def test_commands_of_random_words_are_all_answered(lines):
    octets = b"".join(b"t%d %b\r\n" % (number, b" ".join(words)) for number, words in enumerate(lines))
    sent = await _send(octets + b"end NOOP\r\n", log_in=True)
    assert b"SERVERBUG" not in sent
    assert b"\x00" not in sent
    assert sent.endswith(b"\r\n")
