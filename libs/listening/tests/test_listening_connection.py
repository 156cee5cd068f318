"""One connection between its listener and its transport: admission, refusal, drain, and an end that counts once."""

import asyncio

import pytest

from mailyard.listening.address import ClientAddress
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.connection import ClientConnection
from mailyard.listening.states import ConnectionState, InvalidTransition

CLIENT = ClientAddress("192.0.2.7", is_direct=False)


class Transport(asyncio.Transport):
    """Records what a connection does with it."""

    def __init__(self, peername=("203.0.113.9", 4321)):
        super().__init__({"peername": peername})
        self.calls = []

    def write(self, data):
        self.calls.append(data)

    def close(self):
        self.calls.append("close")

    def abort(self):
        self.calls.append("abort")


class Owner:
    """A listener that admits every connection, unless `answer` refuses it."""

    certificates = None
    tls_first = False
    is_draining = False
    answer: bytes | None = None

    def __init__(self):
        self.memory = MemoryBudget(1000)
        self.admitted, self.forgotten = [], []

    def admit(self, connection):
        self.admitted.append(connection.client.ip)
        return self.answer

    def forget(self, connection):
        self.forgotten.append(connection)


class Connection(ClientConnection, asyncio.Protocol):
    def opened(self):
        self._transport.write(b"220 ready\r\n")

    def shut_down(self):
        self.enter(ConnectionState.DRAINING)
        self._transport.write(b"421 stopping\r\n")


@pytest.fixture
def owner():
    return Owner()


def test_without_a_step_before_the_greeting_the_peer_of_the_socket_is_admitted(owner):
    connection, transport = Connection(owner), Transport()
    connection.connection_made(transport)
    assert (owner.admitted, transport.calls) == (["203.0.113.9"], [b"220 ready\r\n"])
    assert (connection.state, connection.is_open) == (ConnectionState.OPEN, True)


def test_a_client_that_a_proxy_header_named_is_admitted_once_and_under_its_own_address(owner):
    connection, transport = Connection(owner), Transport()
    assert connection.admit(CLIENT) is None
    connection.connection_made(transport)
    assert (owner.admitted, connection.client) == (["192.0.2.7"], CLIENT)


def test_a_client_that_left_before_its_address_was_read_has_an_empty_one(owner):
    connection = Connection(owner)
    connection.connection_made(Transport(peername=None))
    assert (owner.admitted, connection.client.is_on_loopback) == ([""], False)


def test_a_refused_client_gets_the_refusal_and_no_greeting(owner):
    owner.answer = b"421 too many\r\n"
    connection, transport = Connection(owner), Transport()
    connection.connection_made(transport)
    assert transport.calls == [b"421 too many\r\n", "close"]
    connection.end()
    assert owner.forgotten == []  # a refused connection was not counted
    assert not connection.is_open


def test_a_connection_that_ended_while_its_transport_was_made_is_cut_without_a_greeting(owner):
    connection, transport = Connection(owner), Transport()
    connection.admit(CLIENT)
    connection.end()
    connection.connection_made(transport)
    assert transport.calls == ["abort"]
    assert owner.forgotten == [connection]


def test_a_connection_that_is_accepted_just_before_the_listener_closes_is_shut_down(owner):
    owner.is_draining = True
    connection, transport = Connection(owner), Transport()
    connection.connection_made(transport)
    assert transport.calls == [b"220 ready\r\n", b"421 stopping\r\n"]
    assert connection.state is ConnectionState.DRAINING


def test_an_end_is_counted_once_however_often_it_comes(owner):
    connection = Connection(owner)
    connection.connection_made(Transport())
    for _ in range(3):
        connection.end()
    assert owner.forgotten == [connection]
    with pytest.raises(InvalidTransition, match="OPEN does not follow CLOSED"):
        connection.enter(ConnectionState.OPEN)


def test_a_connection_that_ends_for_another_one_sends_its_last_reply_and_is_cut(owner):
    connection, transport = Connection(owner), Transport()
    connection.connection_made(transport)
    connection.end_early(b"421 make room\r\n")
    assert transport.calls[1:] == [b"421 make room\r\n", "abort"]


@pytest.mark.parametrize("end", [lambda each: each.end_early(b"421\r\n"), ClientConnection.terminate])
async def test_a_handshake_is_cancelled_and_nothing_is_written_before_it_is_over(owner, end):
    connection = Connection(owner)
    connection.admit(CLIENT)
    connection.connecting = asyncio.create_task(asyncio.sleep(60))
    end(connection)
    with pytest.raises(asyncio.CancelledError):
        await connection.connecting
    assert not connection.is_connected


def test_a_connection_without_transport_and_handshake_can_be_aborted(owner):
    Connection(owner).abort()
    assert owner.forgotten == []


def test_input_is_read_while_a_connection_drains_or_its_login_is_revoked(owner):
    connection = Connection(owner)
    connection.connection_made(Transport())
    for state in (ConnectionState.DRAINING, ConnectionState.REVOKED):
        connection.enter(state)
        assert connection.is_open
    connection.enter(ConnectionState.CLOSING)
    assert not connection.is_open
