"""Bounds of a connection's input at their exact values, memory that is counted, and refusals of which the rest is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.imap.commands.append import AppendCommand
from mailyard.imap.commands.authentication import LoginCommand
from mailyard.imap.commands.session import NoopCommand
from mailyard.imap.limits import BEFORE_LOGIN, ImapLimits
from mailyard.imap.server.connection import SCARCE, ServerConnection
from mailyard.imap.server.events import (
    CommandReceived,
    CommandRejected,
    ContinuationWanted,
    Event,
    LineReceived,
    MessageBroken,
    MessageData,
    MessageEnded,
    MessageOffered,
    Overflow,
)
from mailyard.imap.server.responses import bad
from mailyard.imap.states import SessionState, Transition

NEXT = CommandReceived("n", NoopCommand())
TOO_LONG = bad("The line is too long")
TOO_LARGE = bad("The literal is too large")


def connection_with(logged_in: bool = False, **limits: int) -> ServerConnection:
    connection = ServerConnection(ImapLimits(**limits))
    if logged_in:
        connection.change_state(Transition.LOGGED_IN)
    return connection


def events(connection: ServerConnection, octets: bytes) -> list[Event]:
    connection.receive_data(octets)
    return list(iter(connection.next_event, None))


def rejected(text: str) -> CommandRejected:
    return CommandRejected("a", bad(text))


def test_a_line_may_have_as_many_octets_as_the_limit() -> None:
    assert events(connection_with(line=8), b"n NOOP\r\n") == [NEXT]
    assert events(connection_with(line=7), b"n NOOP\r\n") == [CommandRejected("n", TOO_LONG)]


def test_the_line_of_a_command_begins_again_behind_a_literal() -> None:
    connection = connection_with(line=16)
    assert events(connection, b"a LOGIN {1+}\r\nx {1+}\r\ny\r\n") == [
        CommandReceived("a", LoginCommand(b"x", b"y"))
    ]


@pytest.mark.parametrize(("plus", "sign"), [(None, b""), (None, b"+"), (9, b""), (9, b"+"), (3, b"")])
def test_a_literal_may_have_as_many_octets_as_the_limit(plus: int | None, sign: bytes) -> None:
    limits = ImapLimits(literal=4, plus=plus)
    assert rejected("The literal is too large") not in events(
        ServerConnection(limits), b"a LOGIN {4%b}\r\n" % sign
    )
    assert events(ServerConnection(limits), b"a LOGIN {5%b}\r\n" % sign) == [CommandRejected("a", TOO_LARGE)]


def test_literal_minus_permits_four_octets_without_asking_and_more_with_asking() -> None:
    limits = ImapLimits(plus=4)
    assert events(ServerConnection(limits), b"a LOGIN {4+}\r\nabcd {1+}\r\nx\r\n")
    assert events(ServerConnection(limits), b"a LOGIN {5+}\r\n") == [CommandRejected("a", TOO_LARGE)]
    assert events(ServerConnection(limits), b"a LOGIN {5}\r\n") == [ContinuationWanted()]


def test_lines_and_literals_of_a_command_count_together() -> None:
    octets = b"a LOGIN {2+}\r\nxx {2+}\r\n"  # 23 octets before the second literal
    whole = octets + b"yy\r\nn NOOP\r\n"
    assert events(connection_with(command=25), whole) == [
        CommandReceived("a", LoginCommand(b"xx", b"yy")),
        NEXT,
    ]
    assert events(connection_with(command=24), whole) == [rejected("The command is too long"), NEXT]


def test_an_answer_may_have_as_many_octets_as_the_limit_and_end_with_a_bare_lf() -> None:
    for octets in (b"123456\r\n", b"123456\n"):
        connection = connection_with(answer=len(octets))
        connection.expect_line()
        assert events(connection, octets) == [LineReceived(b"123456")]
    connection = connection_with(answer=7)
    connection.expect_line()
    assert events(connection, b"123456\r\nn NOOP\r\n") == [Overflow("The line is too long")]


def test_nothing_follows_an_overflow() -> None:
    connection = connection_with(literal=1, drain=10)
    assert events(connection, b"a LOGIN {11+}\r\n") == [Overflow("The literal is far too large")]
    assert events(connection, b"12345678901\r\nn NOOP\r\n") == []


def test_a_literal_behind_a_dropped_literal_is_dropped_too_and_may_be_too_large_for_that() -> None:
    octets = b"a LOGIN {5+}\r\n12345 {%d+}\r\n"
    assert events(connection_with(literal=4, drain=5), octets % 5 + b"n NOO\r\nn NOOP\r\n") == [
        CommandRejected("a", TOO_LARGE),
        NEXT,
    ]
    assert events(connection_with(literal=4, drain=5), octets % 6) == [
        CommandRejected("a", TOO_LARGE),
        Overflow("The literal is far too large"),
    ]


def test_a_synchronising_literal_at_the_end_of_a_dropped_line_is_not_waited_for() -> None:
    connection = connection_with(line=20)
    assert events(connection, b"a " + b"x" * 20 + b" {5}\r\nn NOOP\r\n") == [
        CommandRejected("a", TOO_LONG),
        NEXT,
    ]


@pytest.mark.parametrize(
    "octets",
    [
        b"a LOGIN {x}\r\n",
        b"a LOGIN {-1}\r\n",
        b"a LOGIN {}\r\n",
        b"a LOGIN { 1}\r\n",
        b"a LOGIN {1}x\r\n",
        b"a LOGIN {1+\r\n",
        b"a LOGIN {" + b"9" * 21 + b"}\r\n",
    ],
)
def test_what_only_looks_like_a_literal_is_part_of_the_line(octets: bytes) -> None:
    (first, second) = events(connection_with(), octets + b"n NOOP\r\n")
    assert isinstance(first, CommandRejected)
    assert second == NEXT


def test_a_literal_with_a_size_of_twenty_digits_is_refused_as_too_large() -> None:
    assert events(connection_with(), b"a LOGIN {" + b"9" * 20 + b"}\r\nn NOOP\r\n") == [
        CommandRejected("a", TOO_LARGE),
        NEXT,
    ]


@pytest.mark.parametrize("octets", [b"", b" NOOP", b"+ NOOP", b"* NOOP", b"\xe9 NOOP", b"{1} NOOP", b"\x00"])
def test_a_line_without_a_tag_gets_an_untagged_bad(octets: bytes) -> None:
    (event,) = events(connection_with(), octets + b"\r\n")
    assert isinstance(event, CommandRejected)
    assert event.tag == "*"


def test_a_tag_alone_and_an_unknown_command_are_refused_with_their_tag() -> None:
    assert events(connection_with(), b"a\r\na FROB\r\n") == [
        rejected("Expected a space"),
        rejected("There is no command FROB here"),
    ]


def test_commands_are_counted_as_held_until_they_are_complete() -> None:
    connection = connection_with()
    assert events(connection, b"a LOGIN {1000}\r\n") == [ContinuationWanted()]
    assert (connection.backlog, connection.held) == (0, 16 + 1000)  # reserved before the first octet comes
    assert events(connection, b"x" * 400) == []
    assert (connection.backlog, connection.held) == (400, 1016)
    assert events(connection, b"x" * 600 + b" y\r\n") != []
    assert (connection.backlog, connection.held) == (0, 0)


def test_a_message_is_not_held_by_the_connection() -> None:
    connection = connection_with(logged_in=True)
    events(connection, b"a APPEND x {1000}\r\n")
    connection.accept_message()
    assert events(connection, b"x" * 600) == [MessageData(b"x" * 600)]
    assert connection.held == 0


def test_scarce_memory_refuses_a_literal_and_the_next_command_is_read() -> None:
    asked: list[int] = []

    def has_room(octets: int) -> bool:
        asked.append(octets)
        return octets < 5

    connection = ServerConnection(ImapLimits(), has_room)
    assert events(connection, b"a LOGIN {5}\r\nn NOOP\r\n") == [CommandRejected("a", SCARCE), NEXT]
    assert events(connection, b"a LOGIN {5+}\r\n12345 x\r\nn NOOP\r\n") == [
        CommandRejected("a", SCARCE),
        NEXT,
    ]
    assert events(connection, b"a LOGIN {4}\r\n") == [ContinuationWanted()]
    assert asked == [5, 5, 4]


def test_scarce_memory_refuses_a_long_line_before_its_end_but_reads_a_short_one() -> None:
    connection = ServerConnection(ImapLimits(), lambda _: False)
    assert events(connection, b"a " + b"x" * 8_190) == []
    assert events(connection, b"x") == [CommandRejected("a", SCARCE)]
    assert events(connection, b"x\r\nn NOOP\r\n") == [NEXT]


def test_a_message_may_be_refused_while_it_arrives() -> None:
    connection = connection_with(logged_in=True)
    (offered,) = events(connection, b"a APPEND x {10}\r\n")
    assert offered == MessageOffered("a", AppendCommand("x"), 10, synchronising=True)
    connection.accept_message()
    assert events(connection, b"12345") == [MessageData(b"12345")]
    assert connection.abandon_message() is None
    assert events(connection, b"67890\r\nn NOOP\r\n") == [NEXT]


def test_nothing_is_dropped_where_no_message_was_accepted() -> None:
    connection = connection_with(logged_in=True)
    assert connection.abandon_message() is None
    assert events(connection, b"n NOOP\r\n") == [NEXT]


def test_a_message_too_large_to_drop_ends_the_connection() -> None:
    connection = connection_with(logged_in=True, drain=9)
    assert events(connection, b"a APPEND x {10+}\r\n") == [MessageOffered("a", AppendCommand("x"), 10, False)]
    assert connection.refuse_message() == Overflow("The literal is far too large")
    assert events(connection, b"1234567890\r\nn NOOP\r\n") == []


def test_an_empty_message_is_offered_like_others() -> None:
    connection = connection_with(logged_in=True)
    assert events(connection, b"a APPEND x {0}\r\n") == [MessageOffered("a", AppendCommand("x"), 0, True)]
    connection.accept_message()
    assert events(connection, b"\r\nn NOOP\r\n") == [MessageEnded(), NEXT]


@pytest.mark.parametrize(
    "rest", [b"x\r\n", b" (\\Seen)\r\n", b" {3}\r\n", b" {3+}\r\nabc\r\n", b" {3+}\r\nabc {1+}\r\nx\r\n"]
)
def test_octets_behind_a_message_break_its_append_and_are_dropped(rest: bytes) -> None:
    connection = connection_with(logged_in=True)
    events(connection, b"a APPEND x {1}\r\n")
    connection.accept_message()
    broken, following = events(connection, b"m" + rest + b"n NOOP\r\n")[1:]
    assert isinstance(broken, MessageBroken)
    assert following == NEXT


def test_an_append_before_login_is_refused_and_its_message_dropped_up_to_a_bound() -> None:
    connection = ServerConnection(BEFORE_LOGIN)
    octets = b"a APPEND x {65536+}\r\n" + b"m" * 65_536 + b"\r\nn NOOP\r\n"
    refused, following = events(connection, octets)
    assert isinstance(refused, CommandRejected)
    assert following == NEXT
    assert events(connection, b"a APPEND x {65537+}\r\n") == [Overflow("The literal is far too large")]
    assert connection.state is SessionState.NOT_AUTHENTICATED


@given(st.integers(0, 3), st.integers(1, 60), st.binary(max_size=80))
def test_held_octets_are_never_more_than_those_that_came_and_one_literal(
    literals: int, size: int, octets: bytes
) -> None:
    connection = connection_with(line=100, literal=40, command=150, drain=1_000)
    sent = b"a LOGIN" + b" {%d+}\r\n" % size * literals + octets
    connection.receive_data(sent)
    while connection.next_event() is not None:
        assert 0 <= connection.held <= len(sent) + 40
    assert connection.held <= 150 + len(octets)


def test_a_command_with_very_many_literals_pauses_and_goes_on() -> None:
    connection = connection_with(line=100_000, command=10_000_000)
    connection.receive_data(b"a ID (" + b"{1+}\r\nx " * 5_000 + b")\r\n")
    pauses = 0
    while (event := connection.next_event()) is None:
        assert connection.is_busy
        pauses += 1
        assert pauses < 100
    assert isinstance(event, CommandRejected)
    assert pauses >= 4  # at most 2,000 steps without a turn for other connections
    assert connection.next_event() is None
    assert not connection.is_busy
