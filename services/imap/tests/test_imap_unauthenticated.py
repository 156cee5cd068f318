"""Connections without a login have a share of the places: a flood of them leaves room for users."""

import time

from test_imap_service import Wire

from mailyard.listening.unauthenticated import SECONDS_TO_LOG_IN

TOO_SLOW = b"* BYE [LIMIT] Too many connections without a login"
REFUSED = b"* BYE [LIMIT] Too many connections, try again later"


def test_clients_that_never_log_in_leave_room_for_users(imap_service):
    service = imap_service(connections="4", unauthenticated_connections="2")
    user = Wire(service.port).login()
    silent = Wire(service.port)
    without_handshake = Wire(service.tls_port, greeted=False)
    _until(lambda: service.metric("mailyard_imap_open_connections") == 3)
    with Wire(service.port, greeted=False) as refused:
        assert refused.line() == REFUSED
    time.sleep(SECONDS_TO_LOG_IN)  # what is tested is that they have this time
    users = [user, *(Wire(service.port).login() for _ in range(3))]
    assert silent.line() == TOO_SLOW
    assert without_handshake.line() == b""
    with Wire(service.port, greeted=False) as refused:  # all places are taken by users
        assert refused.line() == REFUSED
    for wire in users:
        assert wire.ask(b"NOOP")[-1].startswith(b"t OK")
    assert service.metric('mailyard_imap_refused_connections_total{limit="unauthenticated"}') == 3
    users[-1].socket.close()
    _until(lambda: service.metric("mailyard_imap_open_connections") == 3)
    Wire(service.port).login()


def _until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)
