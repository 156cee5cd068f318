"""Greylisting on a real MongoDB: deferral, passing, what is shared between processes, and what an outage does."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
from pymongo.monitoring import CommandListener, CommandStartedEvent

from mailyard.directory.greylist import COLLECTION, NETWORKS, Greylist
from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.model import Unknown
from mailyard.directory.policy import DomainPolicy
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.hooks import MailTransaction, SmtpContext
from mailyard.smtp_in.hygiene.checks import RecipientQuestion
from mailyard.smtp_in.hygiene.concern import Concern, JudgedClient
from mailyard.smtp_in.hygiene.greylisting import GreylistCheck
from mailyard.smtp_in.hygiene.greylistrules import GreylistRules
from mailyard.smtp_in.peer import SmtpPeer
from mailyard.store.client import LISTENERS, Store

OK = "250 2.1.5 Ok"


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await ensure_indexes(store)
    yield store
    await store.close()


class Clock:
    """Time of attempts, moved by the test."""

    def __init__(self) -> None:
        self.now = now_utc()

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("mailyard.smtp_in.hygiene.greylisting.now_utc", lambda: found.now)
    return found


class Pod:
    """One process: its own check, the shared store."""

    def __init__(self, store: Store, **rules: int) -> None:
        self.check = GreylistCheck(Greylist(store), GreylistRules(**rules), (), clock=lambda: 0.0)

    async def ask(
        self, ip: str, sender: str = "x@there.test", recipient: str = "ann@one.test"
    ) -> Concern | None:
        context = SmtpContext("mx", Mode.MX, SmtpPeer(ip), transaction=MailTransaction(sender=sender))
        question = RecipientQuestion(
            context, JudgedClient(), Address.parse(recipient), Unknown("x"), DomainPolicy()
        )
        judged = self.check.judge_recipient(question)
        return await judged if asyncio.iscoroutine(judged) else judged


async def test_the_first_attempt_is_deferred_and_the_next_one_after_the_wait_passes(
    service, hygiene, store
) -> None:
    hygiene(store, greylisting="refuse", greylisting_seconds=1)
    client = await service.client(await service.open())
    deferral = "451 4.7.1 Greylisted, please try again in 1 seconds"
    assert (await client.envelope("ann@one.test", "bob@one.test"))[1:] == [deferral, deferral]
    await client.ask("RSET")
    async with asyncio.timeout(10):
        while (await client.envelope("ann@one.test"))[1] != OK:
            await client.ask("RSET")
            await asyncio.sleep(0.2)
    await client.message("x")
    [accepted] = service.spool.accepted
    assert accepted.findings == ()


async def test_an_attempt_on_one_pod_counts_on_another(store, clock) -> None:
    first, second = Pod(store), Pod(store)
    assert (await first.ask("192.0.2.1")).reply.lines == ("Greylisted, please try again in 300 seconds",)
    clock.later(minutes=2)
    assert (await second.ask("192.0.2.77")).reply.lines == ("Greylisted, please try again in 180 seconds",)
    clock.later(minutes=3)
    assert await second.ask("192.0.2.1") is None
    assert await first.ask("192.0.2.1") is None


async def test_a_network_that_has_passed_often_enough_waits_no_more_on_any_pod(store, clock) -> None:
    pod = Pod(store, passes=3)
    for number in range(3):
        assert await pod.ask("192.0.2.1", f"s{number}@there.test") is not None
    clock.later(minutes=6)
    for number in range(3):
        assert await pod.ask("192.0.2.2", f"s{number}@there.test") is None
    other = Pod(store, passes=3)
    assert await other.ask("192.0.2.9", "new@there.test") is None
    assert await other.ask("192.0.3.9", "new@there.test") is not None


async def test_a_known_network_stays_known_while_it_sends(store, clock) -> None:
    pod = Pod(store, passes=1)
    await pod.ask("192.0.2.1")
    clock.later(minutes=6)
    assert await pod.ask("192.0.2.1") is None
    for _ in range(4):
        clock.later(days=20)
        assert await Pod(store, passes=1).ask("192.0.2.1", "new@there.test") is None
    [row] = await store.collection(NETWORKS).find().to_list()
    assert row["passes"] == 1
    assert row["expires"] > clock.now + timedelta(days=30)


async def test_a_legitimate_server_that_uses_another_network_each_time_passes_in_the_end(
    store, clock
) -> None:
    pod = Pod(store)
    asked = [await pod.ask(f"198.51.{100 + 0}.1")]
    for minutes, ip in ((1, "203.0.113.1"), (10, "192.0.2.1")):
        clock.later(minutes=minutes)
        asked.append(await pod.ask(ip))
    assert [each is None for each in asked] == [False, False, True]


async def test_an_attempt_that_is_too_old_begins_anew_and_does_not_wait_for_ever(store, clock) -> None:
    pod = Pod(store)
    await pod.ask("192.0.2.1")
    clock.later(hours=47)
    await pod.ask("203.0.113.1")  # keeps the row
    clock.later(hours=2)
    assert await pod.ask("192.0.2.1") is not None
    clock.later(minutes=6)
    assert await pod.ask("192.0.2.1") is None


async def test_ipv6_addresses_of_a_rotating_client_do_not_grow_a_row_without_bound(store, clock) -> None:
    pod = Pod(store)
    for number in range(60):
        await pod.ask(f"2001:db8:{number:x}::1")
    [row] = await store.collection(COLLECTION).find().to_list()
    assert len(row["networks"]) == 16
    assert row["tenant"] == ""


async def test_a_flood_of_new_pairs_from_one_network_is_deferred_and_not_stored(store, clock) -> None:
    pod = Pod(store)
    said = await asyncio.gather(*(pod.ask(f"192.0.2.{n % 250}", f"s{n}@there.test") for n in range(700)))
    assert all(each is not None for each in said)
    assert await store.collection(COLLECTION).count_documents({}) == 600


async def test_known_senders_cost_no_command_and_a_crowd_shares_its_commands(
    mongo_url: str, database: str, clock
) -> None:
    class Counter(CommandListener):
        def __init__(self) -> None:
            self.names: list[str] = []

        def started(self, event: CommandStartedEvent) -> None:
            self.names.append(event.command_name)

        def succeeded(self, event) -> None: ...

        def failed(self, event) -> None: ...

    counter = Counter()
    LISTENERS.append(counter)
    store = Store(mongo_url, database)
    await store.ping()
    LISTENERS.remove(counter)
    pod = Pod(store)
    counter.names.clear()
    await asyncio.gather(*(pod.ask("192.0.2.1", f"s{n}@there.test") for n in range(200)))
    asked = [each for each in counter.names if each in ("find", "update")]
    assert len(asked) <= 6
    clock.later(minutes=6)
    await pod.ask("192.0.2.1", "s1@there.test")
    counter.names.clear()
    assert await pod.ask("192.0.2.1", "s1@there.test") is None
    assert counter.names == []
    await store.close()


async def test_an_outage_of_the_store_lets_everybody_pass(service, hygiene, mongo_url: str) -> None:
    class Broken(Greylist):
        def __init__(self) -> None: ...

        async def networks(self, names):
            raise Unavailable("the store is unreachable")

    check = GreylistCheck(Broken(), GreylistRules(), ())
    pod = Pod.__new__(Pod)
    pod.check = check
    assert await pod.ask("192.0.2.1") is None


async def test_a_store_that_hangs_lets_everybody_pass(monkeypatch) -> None:
    class Hanging(Greylist):
        def __init__(self) -> None: ...

        async def networks(self, names):
            await asyncio.Event().wait()

    monkeypatch.setattr("mailyard.smtp_in.hygiene.greylisting._SECONDS", 0.05)
    pod = Pod.__new__(Pod)
    pod.check = GreylistCheck(Hanging(), GreylistRules(), ())
    began = time.monotonic()
    assert await pod.ask("192.0.2.1") is None
    assert time.monotonic() - began < 2


async def test_known_networks_and_clients_of_an_allowlist_never_wait(
    service, hygiene, store, dns_server
) -> None:
    hygiene(store, greylisting="refuse", greylisting_known_networks=(ip_network("127.0.0.0/24"),))
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test"))[1] == OK
    dns_server.add("1.0.0.127.wl.test", "A", "127.0.0.1")
    hygiene(store, greylisting="refuse", dnsbl_lists=("wl.test*-1",))
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test"))[1] == OK
    other = await service.client(await service.open(), source="127.0.1.7")
    assert (await other.envelope("ann@one.test"))[1][:9] == "451 4.7.1"


async def test_rows_end_by_themselves_and_hold_no_address(store, clock) -> None:
    pod = Pod(store)
    await pod.ask("192.0.2.1")
    [row] = await store.collection(COLLECTION).find().to_list()
    assert row["expires"] - clock.now < timedelta(hours=49)
    assert "there.test" not in repr(row)
    for name in (COLLECTION, NETWORKS):
        indexes = await store.collection(name).index_information()
        assert indexes["expires"]["expireAfterSeconds"] == 0
