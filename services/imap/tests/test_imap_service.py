"""The service as a whole: limits, times, TLS, shutdown, memory."""

import base64
import concurrent.futures
import os
import signal
import socket
import ssl
import time

import pytest
from bson import ObjectId
from imap_dialogue import letter
from imap_service import PASSWORD, USER
from pymongo import MongoClient

MEGABYTE = 1_000_000


class Wire:
    """A client that sends and reads octets."""

    def __init__(self, port, *, greeted=True, receive_buffer=0):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""
        if greeted:
            assert self.line().startswith(b"* OK ")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.socket.recv(65_536)
            if not more:
                line, self.buffer = self.buffer, b""
                return line
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def ask(self, command):
        """Send a command; its untagged responses and its completion."""
        self.send(b"t " + command + b"\r\n")
        lines = [self.line()]
        while not lines[-1].startswith((b"t ", b"+ ")) and lines[-1]:
            lines.append(self.line())
        return lines

    def login(self):
        answer = self.ask(f'LOGIN {USER} "{PASSWORD}"'.encode())
        assert answer[-1].startswith(b"t OK"), answer
        return self

    def read_response(self, command):
        """Send a command; how many octets its answer has, and whether it ended with OK."""
        self.send(b"t " + command + b"\r\n")
        count, tail = 0, b""
        while b"\r\nt " not in tail:
            more = self.socket.recv(65_536)
            assert more, "the server closed the connection"
            count, tail = count + len(more), (tail + more)[-200:]
        return count, b"\r\nt OK" in tail


def test_an_address_gets_only_so_many_connections(imap_service):
    service = imap_service(connections_per_address="3")
    clients = [Wire(service.port) for _ in range(3)]
    with Wire(service.port, greeted=False) as refused:
        assert refused.line() == b"* BYE [LIMIT] Too many connections, try again later"
        assert refused.line() == b""
    assert service.metric("mailyard_imap_refused_connections_total") == 1
    clients.pop().socket.close()
    _until(lambda: service.metric("mailyard_imap_open_connections") == 2)
    Wire(service.port).login()


def test_open_connections_are_shown_for_every_listener_before_anybody_comes(imap_service):
    """KEDA takes a metric that is missing for a failure."""
    page = imap_service().metrics()
    for listener in ("imap", "imaps"):
        assert f'mailyard_imap_open_connections{{listener="{listener}"}} 0.0' in page


def test_clients_that_do_not_log_in_are_let_go(imap_service):
    service = imap_service(login_seconds="0.5")
    with Wire(service.port) as silent, Wire(service.tls_port, greeted=False) as half_open:
        assert silent.line() == b"* BYE Autologout: no command came in time"
        assert silent.line() == b""
        assert half_open.socket is not None
    _until(lambda: service.metric("mailyard_imap_open_connections") == 0)


def test_a_handshake_that_is_not_made_ends_the_connection(imap_service):
    service = imap_service(handshake_seconds="0.5")
    with Wire(service.tls_port, greeted=False) as silent, Wire(service.tls_port, greeted=False) as confused:
        confused.send(b"a LOGIN x y\r\n")
        assert silent.line() == b""
        _until(lambda: service.metric("mailyard_imap_open_connections") == 0)


def test_commands_sent_ahead_of_the_handshake_are_not_carried_out(imap_service):
    service = imap_service()
    wire = Wire(service.port)
    wire.send(b"a STARTTLS\r\nb CREATE injected\r\n")
    assert wire.line() == b"a OK Begin TLS negotiation now"
    context = ssl.create_default_context(cafile=str(service.tls.authority))
    wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost")
    assert wire.ask(b"NOOP") == [b"t OK NOOP completed"]
    assert not any(b"STARTTLS" in line for line in wire.ask(b"CAPABILITY"))


def test_a_password_is_taken_without_tls_only_where_that_is_permitted(imap_service):
    service = imap_service(plaintext_auth="never")
    with Wire(service.port) as wire:
        answer = wire.ask(f'LOGIN {USER} "{PASSWORD}"'.encode())
        assert answer[-1].startswith(b"t NO [PRIVACYREQUIRED]")


def test_sigterm_ends_sessions_with_bye_and_finishes_a_message_that_is_coming(imap_service):
    service = imap_service()
    idle, appending = Wire(service.port).login(), Wire(service.port).login()
    idle.ask(b"SELECT INBOX")
    assert idle.ask(b"IDLE") == [b"+ idling"]
    assert appending.ask(b"APPEND INBOX {6}") == [b"+ Ready for literal data"]
    appending.send(b"a:")
    service.process.send_signal(signal.SIGTERM)
    assert idle.line() == b"* BYE [UNAVAILABLE] Server is shutting down"
    assert idle.line() == b""
    appending.send(b" b\r\n\r\n")
    assert appending.line().startswith(b"t OK [APPENDUID ")
    assert appending.line() == b"* BYE [UNAVAILABLE] Server is shutting down"
    assert service.process.wait(20) == 0


def test_a_port_in_use_is_a_clear_error(imap_service, tmp_path):
    service = imap_service()
    service.stop()
    with socket.socket() as other:
        other.bind(("127.0.0.1", service.port))
        other.listen()
        with pytest.raises(
            AssertionError, match=rf"(?s)imap ended with 75.*cannot listen at 127\.0\.0\.1:{service.port}"
        ):
            service.start()


def test_settings_with_which_nobody_could_log_in_are_a_clear_error(imap_service):
    service = imap_service()
    service.stop()
    service.variables = {"MAILYARD_IMAP_TLS_CERTIFICATE_FILE": "/nowhere.pem"}
    with pytest.raises(AssertionError, match=r"(?s)imap ended with 78.*cannot use certificate /nowhere\.pem"):
        service.start()


@pytest.mark.slow
def test_two_thousand_junk_connections_disturb_nobody(imap_service):
    service = imap_service(connections_per_address="0")
    junk = [Wire(service.port, greeted=False) for _ in range(2_000)]
    for number, wire in enumerate(junk):
        wire.send(
            (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"x" * 3_000, b"a LOGIN {99+}\r\n")[
                number % 4
            ]
        )
    started = time.monotonic()
    with Wire(service.port).login() as wire:
        assert wire.ask(b"SELECT INBOX")[-1].startswith(b"t OK")
    assert time.monotonic() - started < 10
    assert service.resident_bytes() < 150 * MEGABYTE
    for wire in junk:
        wire.socket.close()
    _until(lambda: service.metric("mailyard_imap_open_connections") == 0)


@pytest.mark.slow
def test_memory_stays_small_while_clients_read_and_append_large_messages(imap_service):
    service = imap_service()
    large = b"Subject: large\r\n\r\n" + base64.encodebytes(os.urandom(18_400_000)).replace(b"\n", b"\r\n")
    writer = Wire(service.port).login()
    writer.send(b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(large), large))
    assert writer.line().startswith(b"t OK [APPENDUID ")
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(_read_slowly, [service.port] * 8))
    assert all(count > len(large) and ok for count, ok in answers)
    assert service.peak_bytes() < 150 * MEGABYTE


def _read_slowly(port):
    with Wire(port, receive_buffer=65_536).login() as wire:
        wire.ask(b"EXAMINE INBOX")
        time.sleep(0.2)
        return wire.read_response(b"FETCH 1 BODY.PEEK[]")


@pytest.mark.slow
def test_flags_of_a_hundred_thousand_messages_are_streamed(imap_service):
    service = imap_service()
    service.deliver([letter("note")])
    _multiply(service, 100_000)
    with Wire(service.port).login() as wire:
        assert b"* 100000 EXISTS" in wire.ask(b"EXAMINE INBOX")
        before, started = service.resident_bytes(), time.monotonic()
        count, ok = wire.read_response(b"UID FETCH 1:* (FLAGS)")
        assert ok
        assert count > 100_000 * len("* 1 FETCH (UID 1 FLAGS ())\r\n")
        assert time.monotonic() - started < 10
        assert service.resident_bytes() - before < 10 * MEGABYTE
    assert service.peak_bytes() < 150 * MEGABYTE


def _multiply(service, count):
    """Make `count` rows of the one that is in the INBOX."""
    with MongoClient(service.mongo_url) as client:
        database = client[service.database]
        row = database.messages.find_one()
        for first in range(2, count + 1, 5_000):
            uids = range(first, min(first + 5_000, count + 1))
            database.messages.insert_many([{**row, "_id": str(ObjectId()), "uid": uid} for uid in uids])
        database.mailboxes.update_one(
            {"_id": row["mailbox"]}, {"$set": {"uid_next": count + 1, "total": count}}
        )


def _until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)
