"""Octets that all connections hold in memory together have a budget, and each account so many connections."""

import time

from imap_dialogue import Dialogue
from imap_doubles import ACCOUNT
from test_imap_service import Wire

from mailyard.imap.limits import ImapLimits
from mailyard.imap.server.connection import ServerConnection
from mailyard.imap.server.events import CommandReceived, CommandRejected
from mailyard.imap_server.session.options import SessionOptions
from mailyard.imap_server.shell.channel import ClientChannel
from mailyard.listening.budget import MemoryBudget


class Owner:
    """A listener without limits."""

    certificates = None
    tls_first = True
    is_draining = False

    def __init__(self, memory):
        self.memory = memory

    def admit(self, connection):
        return None

    def authenticated(self, connection):
        pass

    def forget(self, connection):
        pass


_SCARCE = "Memory is scarce on this server, try again later"


def _events(connection, octets):
    connection.receive_data(octets)
    events = []
    while (event := connection.next_event()) is not None:
        events.append(event)
    return events


def test_a_literal_without_room_is_refused_and_read_away():
    connection = ServerConnection(ImapLimits(), has_room=lambda octets: octets <= 10)
    assert _events(connection, b"a LOGIN {11}\r\n") == [CommandRejected("a", _SCARCE, "NO", "LIMIT")]
    refused, next_one = _events(connection, b"b LOGIN {11+}\r\nxxxxxxxxxxx y\r\nc NOOP\r\n")
    assert refused == CommandRejected("b", _SCARCE, "NO", "LIMIT")
    assert isinstance(next_one, CommandReceived)


def test_a_long_line_without_room_is_refused_and_a_short_one_is_read():
    connection = ServerConnection(ImapLimits(), has_room=lambda _: False)
    assert _events(connection, b"a SEARCH " + b"x" * 8_000) == []
    assert _events(connection, b"x" * 1_000) == [CommandRejected("a", _SCARCE, "NO", "LIMIT")]
    (following,) = _events(connection, b"xxx\r\nb NOOP\r\n")
    assert isinstance(following, CommandReceived)


async def test_a_message_without_room_is_refused_and_the_room_of_another_comes_back():
    dialogue = Dialogue()
    client = await dialogue.client("1")
    client.channel.room = 300_000
    await dialogue.run("C+ a APPEND Drafts {6+}\\x0d\\x0aa: b\\x0d\\x0a\\x0d\\x0a\nS~ a OK .*")
    assert client.channel.room == 300_000

    dialogue = Dialogue()
    client = await dialogue.client("1")
    client.channel.room = 3
    await dialogue.run(
        f"C: a APPEND Drafts {{6}}\nS: a NO [LIMIT] {_SCARCE}\nC: b NOOP\nS: b OK NOOP completed"
    )


class _Channel(ClientChannel):
    """A channel without a session."""

    def shut_down(self):
        self.abort()


def test_a_lost_connection_gives_back_what_it_held_and_takes_nothing_more():
    budget = MemoryBudget(1_000)
    channel = _Channel(Owner(budget), 1.0)
    connection = ServerConnection(ImapLimits(), channel.has_room)
    channel.feed(connection)
    assert channel.reserve(400)
    assert channel.has_room(600)
    assert not channel.has_room(1)
    connection.receive_data(b"a NOOP")
    channel.connection_lost(None)
    assert budget.held == 0
    assert channel.reserve(5_000)
    channel.give_back(400)
    assert budget.held == 0


async def test_an_account_has_so_many_connections():
    dialogue = Dialogue(options=SessionOptions(connections_per_account=1))
    dialogue.greets = True
    await dialogue.run(
        """
S~ .*
C: a LOGIN user@example.org secret
S~ a OK .*
S2~ .*
C2: a LOGIN user@example.org secret
S2: a NO [LIMIT] Too many connections of this account, close one of them
C: b LOGOUT
S~ .*BYE.*
S~ b OK.*
C2: c LOGIN user@example.org secret
S2~ c OK .*
"""
    )


async def test_a_login_that_fails_behind_the_password_does_not_count():
    dialogue = Dialogue(options=SessionOptions(connections_per_account=1))
    dialogue.greets = True
    dialogue.world.fails_at["ensure_defaults"] = 1
    await dialogue.run(
        """
S~ .*
C: a LOGIN user@example.org secret
S~ a NO .UNAVAILABLE.*
C: b LOGIN user@example.org secret
S~ b OK .*
"""
    )
    assert dialogue.world.accounts.add(str(ACCOUNT), 1)


def test_the_process_has_so_many_connections(imap_service):
    service = imap_service(connections="2")
    with Wire(service.port).login(), Wire(service.port).login(), Wire(service.port, greeted=False) as refused:
        assert refused.line() == b"* BYE [LIMIT] Too many connections, try again later"


def test_literals_of_many_connections_stay_in_the_budget(imap_service):
    service = imap_service(held_size=str(1024 * 1024))
    wires = [Wire(service.port).login() for _ in range(30)]
    answers = []
    for wire in wires:
        wire.send(b"a SELECT {65000}\r\n")
        answers.append(wire.line())
    taken = answers.count(b"+ Ready for literal data")
    assert 10 <= taken <= 16
    assert answers[taken:] == [f"a NO [LIMIT] {_SCARCE}".encode()] * (30 - taken)
    assert service.metric("mailyard_connections_held_bytes") <= 1024 * 1024
    assert wires[-1].ask(b"SELECT INBOX")[-1].startswith(b"t OK")
    for wire in wires[:-1]:
        wire.socket.close()
    _until(lambda: service.metric("mailyard_connections_held_bytes") < 1_000)
    assert wires[-1].ask(b"SELECT {5+}\r\nINBOX")[-1].startswith(b"t OK")


def test_clients_that_do_not_read_hold_no_more_than_the_budget_and_their_own_buffers(imap_service):
    service = imap_service(held_size=str(1024 * 1024), stall_seconds="2")
    service.deliver([b"Subject: x\r\n\r\n" + b"y" * 200_000] * 60)
    wires = [Wire(service.port, receive_buffer=65_536).login() for _ in range(12)]
    for wire in wires:
        wire.ask(b"EXAMINE INBOX")
        wire.send(b"a FETCH 1:* BODY.PEEK[]\r\n")
    with Wire(service.port).login() as other:
        assert other.ask(b"EXAMINE INBOX")[-1].startswith(b"t OK")
        assert service.metric("mailyard_connections_held_bytes") < 12 * 1024 * 1024
        _until(lambda: service.metric("mailyard_imap_open_connections") == 1)
        assert other.read_response(b"FETCH 1:* BODY.PEEK[]")[1]


def _until(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)
