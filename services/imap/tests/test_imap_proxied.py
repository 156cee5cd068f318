"""Behind a balancer: whose address counts, what a header opens and what it does not, and how waits end."""

import contextlib
import json
import signal
import socket
import ssl
import time

import pytest
from imap_service import LIMIT_SECONDS, PASSWORD, USER

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 143\r\n"
LINE_IPV6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 143\r\n"
BLOCK = SIGNATURE + bytes.fromhex("21 11 000c c0000207 c6336401 dc04 008f")
HEALTH_CHECK = SIGNATURE + b"\x20\x00\x00\x00"
LOOPBACK_CLAIM = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
BALANCER = "127.0.0.1/32"  # 127.0.0.2 is none
LOGIN = f't LOGIN {USER} "{PASSWORD}"\r\n'.encode()


class Line:
    """A connection that says octets and reads lines."""

    def __init__(self, port, octets=b"", source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(octets)
        self.file = self.socket.makefile("rb")

    def secure(self, authority):
        self.socket = ssl.create_default_context(cafile=str(authority)).wrap_socket(
            self.socket, server_hostname="localhost"
        )
        self.file = self.socket.makefile("rb")
        return self

    def read(self):
        """The next line; empty when the server has closed."""
        try:
            return self.file.readline()
        except ConnectionResetError:  # octets that nobody read were behind
            return b""

    def ask(self, command):
        """Send a command; its completion."""
        self.socket.sendall(command)
        while (line := self.read()) and not line.startswith(b"t "):
            pass
        return line


@pytest.fixture
def call():
    with contextlib.ExitStack() as stack:

        def connect(*arguments, **named):
            line = Line(*arguments, **named)
            stack.callback(line.file.close)
            return line

        yield connect


def until(condition):
    limit = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)


def logins(service):
    """Who has logged in, by the log."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    return [line["client_ip"] for line in lines if line["event"] == "login.accepted"]


def headers(service, outcome):
    return service.metric(f'mailyard_proxy_headers_total{{listener="imap",outcome="{outcome}"}}')


def test_clients_log_in_by_way_of_a_balancer_and_their_address_is_known(imap_service, call):
    service = imap_service(proxy_networks=BALANCER)
    upgraded = call(service.port, LINE)
    assert upgraded.read().startswith(b"* OK ")
    assert upgraded.ask(b"t STARTTLS\r\n").startswith(b"t OK")
    assert upgraded.secure(service.tls.authority).ask(LOGIN).startswith(b"t OK")
    for header in (LINE_IPV6, BLOCK):
        secured = call(service.tls_port)
        for octet in header:
            secured.socket.send(bytes([octet]))
        secured.secure(service.tls.authority)
        assert secured.read().startswith(b"* OK ")
        assert secured.ask(LOGIN).startswith(b"t OK")
    assert logins(service) == ["192.0.2.7", "2001:db8::7", "192.0.2.7"]


def test_header_and_command_in_one_segment_are_told_apart(imap_service, call):
    service = imap_service(proxy_networks=BALANCER)
    line = call(service.port, BLOCK + b"t NOOP\r\n")
    assert line.read().startswith(b"* OK ")
    assert line.read().startswith(b"t OK ")


def test_nobody_logs_in_in_clear_by_way_of_a_balancer(imap_service, call):
    service = imap_service(proxy_networks=BALANCER, plaintext_auth="loopback")
    for header in (LOOPBACK_CLAIM, HEALTH_CHECK, b"PROXY UNKNOWN\r\n", LINE):
        proxied = call(service.port, header)
        assert b"LOGINDISABLED" in proxied.read()
        assert proxied.ask(LOGIN).startswith(b"t NO [PRIVACYREQUIRED]")
    direct = call(service.port, source="127.0.0.2")
    assert b"LOGINDISABLED" not in direct.read()
    assert direct.ask(LOGIN).startswith(b"t OK")
    assert logins(service) == ["127.0.0.2"]


@pytest.mark.parametrize("is_secure", [False, True])
def test_a_balancer_without_a_right_header_is_cut_off(imap_service, call, is_secure):
    service = imap_service(proxy_networks=BALANCER, proxy_header_seconds="0.3")
    port, listener = (service.tls_port, "imaps") if is_secure else (service.port, "imap")
    wrong = {
        "missing": [b"t NOOP\r\n", b"\x16\x03\x01\x02\x00\x01"],
        "malformed": [b"PROXY TCP4 1.2.3.4\r\n", b"PROXY UNKNOWN " + b"x" * 5000, SIGNATURE + b"\x21\x11\xff\xff"],
        "timed_out": [b"", LINE[:20]],
    }  # fmt: skip
    for outcome, sent in wrong.items():
        assert [call(port, octets).read() for octets in sent] == [b""] * len(sent)
        name = f'mailyard_proxy_headers_total{{listener="{listener}",outcome="{outcome}"}}'
        until(lambda name=name, sent=sent: service.metric(name) == len(sent))
    assert service.metric("mailyard_imap_connections_total") == 0
    assert service.log.read_text().count('"proxy.header_refused"') == 7


def test_others_are_greeted_at_once_and_their_headers_are_not_believed(imap_service, call):
    service = imap_service(proxy_networks=BALANCER)
    line = call(service.port, LINE, source="127.0.0.2")
    assert line.read().startswith(b"* OK ")
    assert line.read().startswith(b"PROXY BAD ")


def test_the_limit_for_one_address_holds_for_clients_and_not_for_the_balancer(imap_service, call):
    service = imap_service(proxy_networks=BALANCER, connections_per_address="1")
    for header in (LINE, LINE_IPV6, HEALTH_CHECK, HEALTH_CHECK):
        assert call(service.port, header).read().startswith(b"* OK ")
    assert call(service.port, BLOCK).read() == b"* BYE [LIMIT] Too many connections, try again later\r\n"


def test_the_limit_for_all_holds_for_those_that_wait_too(imap_service, call):
    service = imap_service(proxy_networks=BALANCER, connections="4", proxy_header_seconds="30")
    waiting = [call(service.port) for _ in range(2)]
    until(lambda: service.metric("mailyard_proxy_waiting_connections") == 2)
    assert call(service.port).read() == b""
    assert headers(service, "crowded") == 1
    for line in waiting:
        line.socket.sendall(LINE)
        assert line.read().startswith(b"* OK ")


def test_a_stop_ends_the_waits_and_says_farewell_to_the_rest(imap_service, call):
    service = imap_service(proxy_networks=BALANCER, proxy_header_seconds="30")
    waiting, half, idle = call(service.port), call(service.tls_port, LINE[:10]), call(service.port, LINE)
    assert idle.read().startswith(b"* OK ")
    until(lambda: service.metric("mailyard_proxy_waiting_connections") == 2)
    before = time.monotonic()
    assert service.stop(signal.SIGTERM) == 0
    assert time.monotonic() - before < 10
    assert idle.read().startswith(b"* BYE")
    assert (waiting.read(), half.read()) == (b"", b"")
