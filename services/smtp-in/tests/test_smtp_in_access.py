"""A session whose login no longer counts ends with 421 (RFC 5321 section 3.8)."""

import asyncio
import smtplib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from mailyard.directory.apppasswordchange import AppPasswordChange
from mailyard.directory.apppasswords import LoginScope
from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.suspension import Suspension
from mailyard.listening.listener import Listener
from mailyard.runtime.clock import now_utc
from mailyard.runtime.service import Runtime
from mailyard.smtp_in.main import build
from mailyard.smtp_in.settings import SmtpInSettings
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store

ENDED = "421 4.7.0 Your access has changed, please log in again"
PASSWORD = "correct horse"
NEW_PASSWORD = "battery staple"


async def test_an_idle_session_ends_at_once(service) -> None:
    client = await service.submission()
    service.sessions.take_away()
    assert await client.reply() == ENDED
    assert await client.ended()


async def test_a_message_that_is_on_its_way_is_not_taken(service) -> None:
    client = await service.submission()
    await client.envelope("x@elsewhere.test", sender="ann@one.test")
    assert (await client.ask("DATA"))[0][:3] == "354"
    service.sessions.take_away()
    assert await client.reply() == ENDED
    assert await client.ended()
    assert service.spool.accepted == []


async def test_a_message_that_is_being_stored_gets_its_answer_first(service, eventually) -> None:
    client = await service.submission()
    service.spool.is_holding = True
    await client.envelope("x@elsewhere.test", sender="ann@one.test")
    await client.ask("DATA")
    client.send(b"x\r\n.\r\nMAIL FROM:<ann@one.test>\r\n")
    await eventually(lambda: bool(service.spool.waiting))
    service.sessions.take_away()
    service.spool.settle()
    assert (await client.reply())[:9] == "250 2.0.0"
    assert await client.reply() == ENDED
    assert await client.ended()


async def test_a_session_that_is_gone_is_not_watched(service, eventually) -> None:
    client = await service.submission()
    assert [each.identity.account for each in service.sessions.open_ones] != []
    client.writer.close()
    await eventually(lambda: not service.sessions.open_ones)


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    await ensure_indexes(store)
    yield store
    await store.close()


@pytest.fixture
async def provisioning(store: Store) -> Provisioning:
    provisioning = Provisioning(store, Passwords(HashCost(1, 64, 1)), now_utc)
    await provisioning.add_tenant("one")
    await provisioning.add_domain("one", "one.test")
    await provisioning.add_account("one", "ann@one.test", PASSWORD)
    return provisioning


@pytest.fixture
async def pods(
    provisioning: Provisioning, mongo_url: str, database: str, vhost_url: str
) -> AsyncIterator[list[int]]:
    """Start two services on one store; return their submission ports."""
    runtimes, ports = [], []
    for _ in range(2):
        values = SmtpInSettings(
            mongo_url=mongo_url,
            mongo_database=database,
            amqp_url=vhost_url,
            mx_listen=(),
            submission_listen=("127.0.0.1:0",),
            plaintext_auth="loopback",
            hostname="mail.one.test",
        )
        runtime = Runtime("smtp-in", values)
        parts = await build(runtime)
        await runtime.start(parts)
        runtimes.append(runtime)
        ports += [part.addresses[0].port for part in parts if isinstance(part, Listener)]
    yield ports
    for runtime in runtimes:
        await runtime.finish()


def _log_in(port: int, password: str = PASSWORD) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", port, timeout=20)
    client.login("ann@one.test", password)
    return client


async def _suspend(store: Store, provisioning: Provisioning) -> None:
    await Suspension(store, provisioning, now_utc).suspend_tenant("one")


async def _change_password(_: Store, provisioning: Provisioning) -> None:
    await provisioning.set_password("one", "ann@one.test", NEW_PASSWORD)


@pytest.mark.parametrize(("act", "code"), [(_change_password, 535), (_suspend, 525)])
async def test_open_sessions_end_on_every_pod_within_five_seconds_and_the_old_login_is_refused(
    store: Store,
    provisioning: Provisioning,
    pods: list[int],
    act: Callable[[Store, Provisioning], Awaitable[None]],
    code: int,
) -> None:
    clients = [await asyncio.to_thread(_log_in, port) for port in pods]
    before = time.monotonic()
    await act(store, provisioning)
    for client in clients:
        line = await asyncio.to_thread(client.file.readline)
        assert line.decode().strip() == ENDED
    assert time.monotonic() - before < 5
    for port in pods:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            await asyncio.to_thread(_log_in, port)
        assert refused.value.smtp_code == code


async def test_a_removed_app_password_ends_its_sessions_on_every_pod_within_five_seconds_and_no_others(
    store: Store, provisioning: Provisioning, pods: list[int]
) -> None:
    change = AppPasswordChange(store, provisioning, now_utc)
    _, phone = await change.add("one", "ann@one.test", "phone", [LoginScope.SMTP])
    _, laptop = await change.add("one", "ann@one.test", "laptop", [LoginScope.SMTP])
    clients = [await asyncio.to_thread(_log_in, port, phone) for port in pods]
    others = [await asyncio.to_thread(_log_in, port, each) for port in pods for each in (laptop, PASSWORD)]
    before = time.monotonic()
    await change.remove("one", "ann@one.test", "phone")
    for client in clients:
        line = await asyncio.to_thread(client.file.readline)
        assert line.decode().strip() == ENDED
    assert time.monotonic() - before < 5
    for port in pods:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            await asyncio.to_thread(_log_in, port, phone)
        assert refused.value.smtp_code == 535
    for other in others:
        assert (await asyncio.to_thread(other.noop))[0] == 250


async def test_a_tenant_that_may_not_send_is_refused_in_open_sessions_on_every_pod_within_five_seconds(
    store: Store, provisioning: Provisioning, pods: list[int]
) -> None:
    clients = [await asyncio.to_thread(_log_in, port) for port in pods]
    for client in clients:
        assert (await asyncio.to_thread(client.mail, "ann@one.test"))[0] == 250
        await asyncio.to_thread(client.rset)
    await Suspension(store, provisioning, now_utc).stop_sending("one")
    until = time.monotonic() + 5
    for client in clients:
        while (answer := await asyncio.to_thread(client.mail, "ann@one.test"))[0] == 250:
            assert time.monotonic() < until
            await asyncio.to_thread(client.rset)
            await asyncio.sleep(0.1)
        assert answer == (550, b"5.7.1 Sending is suspended for your organisation, please ask your provider")
        assert (await asyncio.to_thread(client.noop))[0] == 250
    again = await asyncio.to_thread(_log_in, pods[0])  # the login is right as before
    assert (await asyncio.to_thread(again.mail, "ann@one.test"))[0] == 550
