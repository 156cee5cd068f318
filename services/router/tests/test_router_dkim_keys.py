"""The router asks the DNS whether a new DKIM key is published, and lets it sign then."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import dns.rcode
import pytest
from pydantic import SecretStr

from mailyard.directory.dkim.keys import DkimKey, KeyState, key_record
from mailyard.directory.dkim.rotation import DkimRotation, RotationSchedule
from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.sealing import new_sealing_key, sealing_keys_of
from mailyard.router.dkimkeys import DkimKeyRotation
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store
from tests.trial.nameserver import DnsServer

CUSTOMER, PROVIDER = "mailyard1._domainkey.example.org", "mailyard1.example.org.dkim.example.net"


@pytest.fixture
async def dns_server() -> AsyncIterator[DnsServer]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        DnsServer, local_addr=("127.0.0.1", 0)
    )
    yield server
    transport.close()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await ensure_indexes(store)
    yield store
    await store.close()


@pytest.fixture
def settings(dns_server: DnsServer) -> RouterSettings:
    return RouterSettings(
        sealing_keys=SecretStr(new_sealing_key("k1")),
        resolvers=["127.0.0.1"],
        resolver_port=dns_server.port,
        dkim_publish_hours=0,
    )


async def new_key(store: Store, settings: RouterSettings) -> DkimKey:
    rotation = DkimRotation(store, sealing_keys_of(settings), now_utc, settings.dkim_schedule())
    (key,) = await rotation.add("acme", "example.org")
    return key


async def state_after_work(store: Store, settings: RouterSettings) -> KeyState:
    rotation = DkimKeyRotation(store, settings)
    assert await rotation.work() is True
    assert await rotation.work() is False
    (key,) = await DkimRotation(store, sealing_keys_of(settings), now_utc).keys.list("acme", "example.org")
    return key.state


def strings(text: str) -> str:
    """A TXT record of two strings, as a key of 2048 bits needs them."""
    return f'"{text[:200]}" "{text[200:]}"'


async def test_a_key_behind_the_customers_cname_begins_to_sign(
    store: Store, settings: RouterSettings, dns_server: DnsServer
) -> None:
    key = await new_key(store, settings)
    dns_server.add(CUSTOMER, "CNAME", f"{PROVIDER}.")
    dns_server.add(PROVIDER, "TXT", strings(key_record(key.algorithm, key.public)))

    assert await state_after_work(store, settings) is KeyState.ACTIVE
    assert dns_server.asked == [(CUSTOMER, "TXT")]


@pytest.mark.parametrize("record", ['"v=DKIM1; k=rsa; p="', '"v=DKIM1; k=rsa; p=MIIB"'])
async def test_a_key_that_others_than_the_dns_know_waits(
    store: Store, settings: RouterSettings, dns_server: DnsServer, record: str
) -> None:
    await new_key(store, settings)
    dns_server.add(CUSTOMER, "TXT", record)

    assert await state_after_work(store, settings) is KeyState.PENDING


@pytest.mark.parametrize("rcode", [None, dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN])
async def test_a_key_waits_while_the_dns_does_not_answer_or_has_no_name(
    store: Store, settings: RouterSettings, dns_server: DnsServer, rcode: dns.rcode.Rcode | None
) -> None:
    await new_key(store, settings)
    dns_server.break_(CUSTOMER, "TXT", rcode)

    assert await state_after_work(store, settings) is KeyState.PENDING


@pytest.mark.parametrize(("days", "active"), [(180, timedelta(days=180)), (0, None)])
def test_the_schedule_is_that_of_the_settings(days: int, active: timedelta | None) -> None:
    settings = RouterSettings(dkim_rotation_days=days, dkim_publish_hours=2, dkim_retire_days=3)

    assert settings.dkim_schedule() == RotationSchedule(active, timedelta(hours=2), timedelta(days=3))
