"""The life of a connection as a table, and as `ClientConnection` walks it."""

import asyncio

import pytest

from mailyard.listening.address import ClientAddress
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.connection import ClientConnection
from mailyard.listening.states import FOLLOWING, OPEN_STATES, ConnectionState, InvalidTransition, enter

CLIENT = ClientAddress("192.0.2.7")


def test_every_state_has_its_row_and_all_end_closed():
    assert set(FOLLOWING) == set(ConnectionState)
    reachable = {ConnectionState.NEW}.union(*FOLLOWING.values())
    assert reachable == set(ConnectionState)
    assert all(
        ConnectionState.CLOSED in following
        for state, following in FOLLOWING.items()
        if state is not ConnectionState.CLOSED
    )


@pytest.mark.parametrize(
    ("state", "following"),
    [
        (ConnectionState.NEW, ConnectionState.OPEN),  # nobody is served who was not counted
        (ConnectionState.CLOSING, ConnectionState.OPEN),
        (ConnectionState.REVOKED, ConnectionState.DRAINING),
        (ConnectionState.CLOSED, ConnectionState.CLOSED),
        (ConnectionState.OPEN, ConnectionState.OPEN),
    ],
)
def test_a_state_that_does_not_follow_is_refused(state, following):
    with pytest.raises(InvalidTransition, match=f"{following.name} does not follow {state.name}"):
        enter(state, following)


class Owner:
    """A listener that refuses where the test says so, and notes who was forgotten."""

    certificates = None
    tls_first = False
    is_draining = False

    def __init__(self, refusal=None):
        self.memory = MemoryBudget(1_000)
        self.refusal = refusal
        self.forgotten = []

    def admit(self, connection):
        return self.refusal

    def authenticated(self, connection):
        pass

    def forget(self, connection):
        self.forgotten.append(connection)


class Transport(asyncio.Transport):
    def __init__(self):
        super().__init__({"peername": ("192.0.2.7", 1)})
        self.written, self.calls = b"", []

    def write(self, data):
        self.written += data

    def close(self):
        self.calls.append("close")

    def abort(self):
        self.calls.append("abort")


class Connection(ClientConnection, asyncio.Protocol):
    is_greeted = False

    def opened(self):
        self.is_greeted = True

    def shut_down(self):
        self.enter(ConnectionState.DRAINING)


def test_a_connection_that_nothing_precedes_is_admitted_when_it_is_made():
    owner = Owner()
    connection = Connection(owner)
    connection.connection_made(Transport())
    assert (connection.state, connection.is_greeted) == (ConnectionState.OPEN, True)
    assert connection.client == CLIENT
    connection.end()
    connection.end()
    assert owner.forgotten == [connection]


def test_a_refused_connection_is_told_why_and_never_opens():
    owner, transport = Owner(b"421 no\r\n"), Transport()
    connection = Connection(owner)
    connection.connection_made(transport)
    assert (transport.written, transport.calls) == (b"421 no\r\n", ["close"])
    assert (connection.state, connection.is_greeted) == (ConnectionState.CLOSED, False)
    connection.end()
    assert owner.forgotten == []


def test_a_connection_that_ended_before_its_transport_was_made_is_cut():
    owner, transport = Owner(), Transport()
    connection = Connection(owner)
    assert connection.admit(CLIENT) is None
    connection.end()
    connection.connection_made(transport)
    assert transport.calls == ["abort"]
    assert not connection.is_greeted


def test_a_connection_that_was_accepted_just_before_the_drain_drains_too():
    owner = Owner()
    owner.is_draining = True
    connection = Connection(owner)
    connection.connection_made(Transport())
    assert (connection.state, connection.is_greeted) == (ConnectionState.DRAINING, True)


def test_last_words_go_to_a_connection_that_is_open_and_to_no_other():
    waiting, opened, transport = Connection(Owner()), Connection(Owner()), Transport()
    waiting.admit(CLIENT)
    waiting.end_early(b"bye")
    opened.connection_made(transport)
    opened.end_early(b"bye")
    assert (transport.written, transport.calls) == (b"bye", ["abort"])


def test_input_is_read_while_a_connection_drains_or_its_login_is_revoked():
    connection = Connection(Owner())
    connection.connection_made(Transport())
    for state in (ConnectionState.DRAINING, ConnectionState.REVOKED):
        connection.enter(state)
        assert connection.is_open
    connection.enter(ConnectionState.CLOSING)
    assert not connection.is_open
    assert ConnectionState.OPEN in OPEN_STATES
