"""A session whose login no longer counts ends with BYE, on every pod (RFC 3501, section 7.1.5)."""

import asyncio
import signal
import time

import pytest
from imap_service import PASSWORD, USER, ImapService
from test_imap_service import Wire

from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.suspension import Suspension
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

ENDED = b"* BYE Your access has changed, log in again"
NEW_PASSWORD = "battery staple"


@pytest.fixture
def second_pod(tmp_path, mongo_url, database, vhost_url):
    """A service beside the first one, with caches of its own."""
    service = ImapService(tmp_path, mongo_url, database, vhost_url)
    yield service
    if service.process is not None:
        service.stop(signal.SIGKILL)


def change(service, work):
    """Have the directory changed as the command line does it."""

    async def run():
        store = Store(service.mongo_url, service.database)
        directory = Provisioning(store, Passwords(HashCost(1, 64, 1)), now_utc)
        try:
            [tenant] = [each.id for each in await directory.tenants.list()]
            await work(directory, Suspension(store, directory, now_utc), tenant)
        finally:
            await store.close()

    asyncio.run(run())


def test_open_sessions_end_on_every_pod_and_the_old_password_is_refused(imap_service, second_pod):
    pods = [imap_service(), second_pod]
    second_pod.start()
    idle, busy, other = (Wire(pod.port).login() for pod in (pods[0], pods[1], pods[1]))
    assert idle.ask(b"SELECT INBOX")[-1].startswith(b"t OK")
    assert idle.ask(b"IDLE") == [b"+ idling"]
    busy.send(b"t LOGIN {5+}\r\nha")  # a command that never ends
    before = time.monotonic()
    change(
        pods[0],
        lambda directory, _, tenant: directory.set_password(tenant, USER, NEW_PASSWORD),
    )
    for wire in (idle, busy, other):
        assert wire.line() == ENDED
        assert wire.line() == b""
    assert time.monotonic() - before < 5
    for pod in pods:
        with Wire(pod.port) as again:
            answer = again.ask(f'LOGIN {USER} "{PASSWORD}"'.encode())
            assert answer[-1].startswith(b"t NO [AUTHENTICATIONFAILED]")
            answer = again.ask(f'LOGIN {USER} "{NEW_PASSWORD}"'.encode())
            assert answer[-1].startswith(b"t OK")


@pytest.mark.parametrize("scope", ["account", "domain", "tenant"])
def test_whoever_is_suspended_gets_out_and_not_in_again(imap_service, scope):
    service = imap_service()
    wire = Wire(service.port).login()

    async def suspend(_, suspension, tenant):
        match scope:
            case "account":
                await suspension.suspend_account(tenant, USER)
            case "domain":
                await suspension.suspend_domain(tenant, USER.partition("@")[2])
            case _:
                await suspension.suspend_tenant(tenant)

    before = time.monotonic()
    change(service, suspend)
    assert wire.line() == ENDED
    assert time.monotonic() - before < 5
    with Wire(service.port) as again:
        answer = again.ask(f'LOGIN {USER} "{PASSWORD}"'.encode())
        assert answer == [b"t NO [CONTACTADMIN] Account disabled; contact your administrator"]


def test_a_client_that_does_not_read_is_cut_off(imap_service):
    service = imap_service()
    service.deliver([b"Subject: large\r\n\r\n" + b"x" * 5_000_000])
    wire = Wire(service.port, receive_buffer=4096).login()
    assert wire.ask(b"SELECT INBOX")[-1].startswith(b"t OK")
    wire.send(b"t FETCH 1 BODY[]\r\n" * 20)
    before = time.monotonic()
    change(service, lambda directory, _, tenant: directory.set_password(tenant, USER, NEW_PASSWORD))
    until = before + 10
    while service.metric("mailyard_imap_open_connections"):
        assert time.monotonic() < until, "the connection is still open"
        time.sleep(0.05)
    assert time.monotonic() - before < 5.5
