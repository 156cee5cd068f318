"""The server's table of transitions: what follows what, and what is refused where."""

import pytest

from mailyard.smtp.reply import reply
from mailyard.smtp.server.events import Closing, MailFrom, MessageEnd, RcptTo, TlsRequested
from mailyard.smtp.server.limits import Mode, Profile, SmtpLimits
from mailyard.smtp.server.session import Session
from mailyard.smtp.server.states import TRANSITIONS, Move, ServerState
from mailyard.smtp.server.verbs import CHUNK_REFUSALS, REFUSALS, Verb
from mailyard.smtp.transitions import MisuseError, next_state

COMMAND_STATES = {ServerState.START, ServerState.READY, ServerState.MAIL, ServerState.RCPT, ServerState.BDAT}


def test_one_message_walks_through_the_table() -> None:
    state = ServerState.START
    for move, expected in [
        (Move.HELLO, ServerState.READY),
        (Move.TLS_AGREED, ServerState.TLS),
        (Move.TLS_ESTABLISHED, ServerState.START),
        (Move.HELLO, ServerState.READY),
        (Move.CHALLENGE, ServerState.AUTH),
        (Move.AUTH_ENDED, ServerState.READY),
        (Move.SENDER_ACCEPTED, ServerState.MAIL),
        (Move.RECIPIENT_ACCEPTED, ServerState.RCPT),
        (Move.RECIPIENT_ACCEPTED, ServerState.RCPT),
        (Move.DATA_BEGUN, ServerState.DATA),
        (Move.TRANSACTION_ENDED, ServerState.READY),
        (Move.CLOSE, ServerState.CLOSED),
    ]:
        state = next_state(TRANSITIONS, state, move)
        assert state is expected


@pytest.mark.parametrize(
    ("state", "move"),
    [
        (ServerState.START, Move.SENDER_ACCEPTED),
        (ServerState.START, Move.TLS_AGREED),
        (ServerState.READY, Move.RECIPIENT_ACCEPTED),
        (ServerState.MAIL, Move.DATA_BEGUN),
        (ServerState.MAIL, Move.CHUNK_BEGUN),
        (ServerState.BDAT, Move.RECIPIENT_ACCEPTED),
        (ServerState.BDAT, Move.DATA_BEGUN),
        (ServerState.DATA, Move.HELLO),
        (ServerState.CLOSED, Move.HELLO),
        (ServerState.CLOSED, Move.TLS_ESTABLISHED),
    ],
)
def test_what_the_table_does_not_have_is_a_fault_of_the_program(state: ServerState, move: Move) -> None:
    with pytest.raises(MisuseError, match=f"{move.name} in state {state.name}"):
        next_state(TRANSITIONS, state, move)


def test_every_state_is_reached_and_every_state_can_close() -> None:
    assert set(TRANSITIONS.values()) == set(ServerState)
    assert {state for state, move in TRANSITIONS if move is Move.CLOSE} == set(ServerState)
    assert {move for _, move in TRANSITIONS} == set(Move)


def test_nothing_follows_the_end() -> None:
    assert {move for state, move in TRANSITIONS if state is ServerState.CLOSED} == {Move.CLOSE}


def test_each_state_that_reads_commands_has_its_refusals() -> None:
    assert set(REFUSALS) == COMMAND_STATES
    assert all(Verb.UNKNOWN in refusals for refusals in REFUSALS.values())
    assert set(CHUNK_REFUSALS) == COMMAND_STATES - {ServerState.RCPT, ServerState.BDAT}


def test_a_command_that_a_state_refuses_moves_nothing() -> None:
    wanted = {Verb.MAIL: Move.SENDER_ACCEPTED, Verb.RCPT: Move.RECIPIENT_ACCEPTED, Verb.DATA: Move.DATA_BEGUN}
    for state in COMMAND_STATES:
        for verb, move in wanted.items():
            assert (verb in REFUSALS[state]) == ((state, move) not in TRANSITIONS), (state, verb)


def test_a_chunk_that_is_refused_leaves_the_transaction_as_it_was() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    session.receive(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nBDAT 5\r\nhello")
    assert isinstance(session.next_event(), MailFrom)
    session.answer(reply(250, "2.1.0", "Ok"))
    while session.next_event() is not None:
        pass
    assert b"503 5.5.1" in session.take_output()
    assert session.mail is not None
    session.receive(b"RCPT TO:<c@d.example>\r\nBDAT 2 LAST\r\nhi")
    assert isinstance(session.next_event(), RcptTo)
    session.answer(reply(250, "2.1.5", "Ok"))
    session.next_event()
    assert session.next_event() == MessageEnd(2)


def test_a_session_within_a_chunk_is_not_idle() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    session.receive(b"EHLO c\r\nBDAT 5\r\n")
    assert session.next_event() is None
    assert not session.is_idle
    session.receive(b"hello")
    while session.next_event() is not None:
        pass
    assert session.is_idle


def test_a_session_that_ended_at_starttls_stays_closed_after_the_handshake() -> None:
    session = Session(Profile(Mode.MX, "mx", SmtpLimits(commands=1), starttls=True))
    session.receive(b"EHLO c\r\nSTARTTLS\r\n")
    assert isinstance(session.next_event(), TlsRequested)
    session.tls_established()
    events = []
    while (event := session.next_event()) is not None:
        events.append(event)
    assert events[-1] == Closing()
    assert not session.is_idle
