"""The connection: lines, literals, messages and refusals, at any split of the octets."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_encoding import encode
from imap_strategies import commands

from mailyard.imap.commands import registry
from mailyard.imap.commands.append import AppendCommand
from mailyard.imap.commands.authentication import LoginCommand
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.mailboxes import SelectCommand
from mailyard.imap.commands.session import NoopCommand
from mailyard.imap.grammar.cursor import Cursor
from mailyard.imap.limits import ImapLimits
from mailyard.imap.server.connection import ServerConnection
from mailyard.imap.server.events import (
    CommandReceived,
    CommandRejected,
    ContinuationWanted,
    LineReceived,
    MessageBroken,
    MessageData,
    MessageEnded,
    MessageOffered,
    Overflow,
)
from mailyard.imap.server.responses import bad
from mailyard.imap.states import InvalidImapTransition, SessionState, Transition

_NOOP = CommandReceived("n", NoopCommand())


def _logged_in(limits=None):
    connection = ServerConnection(limits or ImapLimits())
    connection.change_state(Transition.LOGGED_IN)
    return connection


def _drive(connection, pieces):
    """Every event that `pieces` give; messages are accepted, and their data joined."""
    events = []
    for piece in pieces:
        connection.receive_data(piece)
        while (event := connection.next_event()) is not None:
            if isinstance(event, MessageOffered):
                connection.accept_message()
            if isinstance(event, MessageData) and events and isinstance(events[-1], MessageData):
                event = MessageData(events.pop().octets + event.octets)
            events.append(event)
    return events


def test_a_command_arrives_with_its_tag():
    assert _drive(ServerConnection(ImapLimits()), [b"A1 NOOP\r\n"]) == [CommandReceived("A1", NoopCommand())]


def test_a_synchronising_literal_is_asked_for():
    connection = ServerConnection(ImapLimits())
    assert _drive(connection, [b"a LOGIN {5}\r\n"]) == [ContinuationWanted()]
    assert _drive(connection, [b"smith {6}\r\n"]) == [ContinuationWanted()]
    assert _drive(connection, [b"sesame\r\n"]) == [CommandReceived("a", LoginCommand(b"smith", b"sesame"))]


def test_a_non_synchronising_literal_is_simply_read():
    events = _drive(ServerConnection(ImapLimits()), [b"a LOGIN {5+}\r\nsmith {6+}\r\nsesame\r\n"])
    assert events == [CommandReceived("a", LoginCommand(b"smith", b"sesame"))]


def test_a_too_large_synchronising_literal_ends_its_command():
    events = _drive(ServerConnection(ImapLimits(literal=4)), [b"a LOGIN {5}\r\n", b"n NOOP\r\n"])
    assert events == [CommandRejected("a", bad("The literal is too large")), _NOOP]


def test_a_too_large_non_synchronising_literal_is_dropped():
    events = _drive(
        ServerConnection(ImapLimits(literal=4)),
        [b"a LOGIN {6+}\r\nb NO\r\n {3+}\r\nx\r\n\r\n", b"n NOOP\r\n"],
    )
    assert events == [CommandRejected("a", bad("The literal is too large")), _NOOP]


def test_a_literal_minus_limit_holds_only_for_non_synchronising_literals():
    limits = ImapLimits(plus=4)
    assert _drive(ServerConnection(limits), [b"a LOGIN {5}\r\n"]) == [ContinuationWanted()]
    assert _drive(ServerConnection(limits), [b"a LOGIN {5+}\r\n"]) == [
        CommandRejected("a", bad("The literal is too large"))
    ]


def test_a_literal_too_large_to_drop_ends_the_connection():
    events = _drive(
        ServerConnection(ImapLimits(literal=10, drain=1000)), [b"a LOGIN {1001+}\r\n", b"n NOOP\r\n"]
    )
    assert events == [Overflow("The literal is far too large")]


def test_literals_count_towards_the_length_of_a_command():
    events = _drive(
        ServerConnection(ImapLimits(command=30)),
        [b"a LOGIN {9+}\r\n123456789 {9+}\r\n123456789\r\nn NOOP\r\n"],
    )
    assert events == [CommandRejected("a", bad("The command is too long")), _NOOP]


def test_a_line_that_is_too_long_is_refused_before_its_end_and_then_skipped():
    connection = ServerConnection(ImapLimits(line=20))
    assert _drive(connection, [b"a " + b"x" * 30]) == [CommandRejected("a", bad("The line is too long"))]
    assert _drive(connection, [b"y" * 100, b"\r\nn NOOP\r\n"]) == [_NOOP]


def test_a_literal_behind_a_line_that_is_too_long_is_dropped():
    events = _drive(
        ServerConnection(ImapLimits(line=20)), [b"a " + b"x" * 30 + b" {5+}\r\nn N\r\n\r\nn NOOP\r\n"]
    )
    assert events == [CommandRejected("a", bad("The line is too long")), _NOOP]


def test_a_line_may_end_with_a_bare_lf():
    assert _drive(ServerConnection(ImapLimits()), [b"a NOOP\nn NOOP\r\n"]) == [
        CommandReceived("a", NoopCommand()),
        _NOOP,
    ]


def test_a_line_that_is_no_command_is_refused_without_a_tag():
    assert _drive(ServerConnection(ImapLimits()), [b"\r\n"]) == [CommandRejected("*", bad("Expected a tag"))]


@pytest.mark.parametrize("octets", [b"a SELECT x", b"a STORE 1 FLAGS ()", b"a APPEND x {3+}\r\nabc"])
def test_commands_out_of_their_state_are_refused(octets):
    (event,) = _drive(ServerConnection(ImapLimits()), [octets + b"\r\n"])
    assert event.tag == "a"
    assert "not possible in the state not authenticated" in event.completion.text


def test_every_command_has_its_states():
    assert ServerConnection(ImapLimits()).state is SessionState.NOT_AUTHENTICATED
    classes = set(_concrete(ImapCommand))
    assert classes >= {
        type(registry.command(Cursor(octets))) for octets in (b"NOOP", b"UID FETCH 1 UID", b"CLOSE")
    }
    assert all(each.states and SessionState.LOGOUT not in each.states for each in classes)


def _concrete(kind):
    """The command classes with a verb of their own below `kind`."""
    for each in kind.__subclasses__():
        yield from _concrete(each)
        if "verb" in vars(each):
            yield each


def test_a_transition_that_the_table_lacks_raises():
    with pytest.raises(InvalidImapTransition):
        ServerConnection(ImapLimits()).change_state(Transition.OPENED)


def test_a_message_is_offered_streamed_and_ended():
    connection = _logged_in()
    assert _drive(connection, [b"a APPEND x {6}\r\n"]) == [MessageOffered("a", AppendCommand("x"), 6, True)]
    assert _drive(connection, [b"a\r", b"\nb"]) == [MessageData(b"a\r\nb")]
    assert _drive(connection, [b"\r\n\r\n"]) == [MessageData(b"\r\n"), MessageEnded()]


def test_the_mailbox_of_an_append_may_be_a_literal():
    events = _drive(_logged_in(), [b"a APPEND {1+}\r\nx (\\Seen) {1+}\r\nm\r\n"])
    assert events == [
        MessageOffered("a", AppendCommand("x", frozenset({"\\Seen"})), 1, False),
        MessageData(b"m"),
        MessageEnded(),
    ]


def test_a_refused_synchronising_message_never_comes():
    connection = _logged_in()
    connection.receive_data(b"a APPEND x {6}\r\nn NOOP\r\n")
    assert isinstance(connection.next_event(), MessageOffered)
    assert connection.next_event() is None
    assert connection.refuse_message() is None
    assert connection.next_event() == _NOOP


def test_a_refused_non_synchronising_message_is_dropped():
    connection = _logged_in()
    connection.receive_data(b"a APPEND x {6+}\r\nabcdef\r\nn NOOP\r\n")
    assert isinstance(connection.next_event(), MessageOffered)
    assert connection.refuse_message() is None
    assert connection.next_event() == _NOOP


def test_nul_is_refused_in_a_literal_and_taken_in_a_literal8():
    (offered, broken, after) = _drive(_logged_in(), [b"a APPEND x {3+}\r\na\x00b\r\nn NOOP\r\n"])
    assert (type(offered), type(broken), after) == (MessageOffered, MessageBroken, _NOOP)
    events = _drive(_logged_in(), [b"a APPEND x ~{3+}\r\na\x00b\r\n"])
    assert events == [
        MessageOffered("a", AppendCommand("x"), 3, False),
        MessageData(b"a\x00b"),
        MessageEnded(),
    ]


def test_only_messages_may_be_literal8():
    events = _drive(_logged_in(), [b"a SELECT ~{3+}\r\nabc\r\nn NOOP\r\n"])
    assert events == [CommandRejected("a", bad("Only a message may be a literal8")), _NOOP]


def test_a_second_message_breaks_the_append():
    (_, _, broken, after) = _drive(_logged_in(), [b"a APPEND x {1+}\r\na (\\Seen) {1+}\r\nb\r\nn NOOP\r\n"])
    assert broken == MessageBroken("Only one message can be appended at a time")
    assert after == _NOOP


def test_an_append_that_breaks_the_grammar_is_refused_and_its_message_dropped():
    events = _drive(_logged_in(), [b"a APPEND x (\\Bad) {3+}\r\nabc\r\nn NOOP\r\n"])
    assert events == [CommandRejected("a", bad("The flag \\Bad cannot be set")), _NOOP]


def test_an_answer_is_not_taken_for_a_command():
    connection = ServerConnection(ImapLimits())
    connection.receive_data(b"n NOOP\r\nn NOOP\r\n")
    connection.expect_line()
    assert connection.next_event() == LineReceived(b"n NOOP")
    assert connection.next_event() == _NOOP


def test_an_endless_answer_ends_the_connection():
    connection = ServerConnection(ImapLimits(answer=10))
    connection.expect_line()
    connection.receive_data(b"x" * 10)
    assert isinstance(connection.next_event(), Overflow)


def test_what_was_sent_before_the_tls_handshake_is_forgotten():
    connection = ServerConnection(ImapLimits())
    connection.receive_data(b"a STARTTLS\r\nb LOGIN evil")
    connection.next_event()
    connection.discard_input()
    assert _drive(connection, [b" secret\r\n"]) == [CommandRejected("*", bad("Expected a tag"))]


def test_commands_are_not_parsed_ahead():
    connection = ServerConnection(ImapLimits())
    connection.receive_data(b"a LOGIN x y\r\nb SELECT x\r\n")
    connection.next_event()
    connection.change_state(Transition.LOGGED_IN)
    assert connection.next_event() == CommandReceived("b", SelectCommand("x"))


def _split(octets, cuts):
    ends = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    return [octets[low:high] for low, high in itertools.pairwise(ends)]


_CUTS = st.lists(st.integers(0, 10_000), max_size=12)


_SELECTED_COMMANDS = commands.filter(lambda value: SessionState.SELECTED in value.states)


@given(st.lists(_SELECTED_COMMANDS, min_size=1, max_size=3), _CUTS)
def test_any_split_gives_the_same_commands(values, cuts):
    octets = b"".join(b"t%d %b\r\n" % (number, encode(value)) for number, value in enumerate(values))
    connection = _logged_in()
    connection.change_state(Transition.OPENED)
    events = _drive(connection, _split(octets, cuts))
    assert [event.command for event in events if not isinstance(event, ContinuationWanted)] == values


@given(st.binary(max_size=200), _CUTS)
def test_no_octets_at_all_disturb_the_connection_and_splits_do_not_matter(octets, cuts):
    limits = ImapLimits(line=60, literal=20, command=80, message=40, drain=50, answer=20)
    whole = _drive(_logged_in(limits), [octets])
    assert _drive(_logged_in(limits), _split(octets, cuts)) == whole


_SCRAPS = st.lists(
    st.sampled_from(
        [
            b"a ",
            b"NOOP",
            b"\r\n",
            b"\n",
            b" ",
            b"{3+}\r\n",
            b"{3}\r\n",
            b"~{2+}\r\n",
            b"{99+}\r\n",
            b"APPEND x ",
            b"abc",
            b"\x00",
        ]
    ),
    max_size=25,
)


@given(_SCRAPS, _CUTS)
def test_scraps_of_commands_give_the_same_events_at_any_split(scraps, cuts):
    limits = ImapLimits(line=40, literal=20, command=60, message=40, drain=98, answer=20)
    octets = b"".join(scraps)
    assert _drive(_logged_in(limits), _split(octets, cuts)) == _drive(_logged_in(limits), [octets])


def test_an_endless_line_takes_no_memory():
    connection = ServerConnection(ImapLimits(line=1_000))
    for _ in range(200):
        connection.receive_data(b"x" * 10_000)
        while connection.next_event() is not None:
            continue
        assert connection.backlog + len(connection._command) <= 2_000
