"""Two processes whose clocks differ, and that share their failures through a real MongoDB."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest
from pymongo.monitoring import CommandListener
from structlog.testing import capture_logs

from mailyard.directory.attempts import AttemptLimits
from mailyard.directory.authentication import Authenticator
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.throttle.blocks import LoginBlocks
from mailyard.directory.throttle.failurelog import COLLECTION
from mailyard.directory.throttle.lifting import lifted_blocks
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.directory.throttle.networks import LoginNetworks
from mailyard.runtime.errors import Unavailable
from mailyard.store import client
from mailyard.store.client import Store

ANNA = "anna@example.org"
RIGHT = "correct horse"
HOME = "192.0.2.1"
ABROAD = "198.51.100.7"
LIMITS = LoginLimits(
    login=AttemptLimits(free=5, block_seconds=600),
    everywhere=AttemptLimits(free=30, block_seconds=600),
    login_from_address=AttemptLimits(free=3, block_seconds=600),
    address=AttemptLimits(free=20, block_seconds=600),
    network=AttemptLimits(free=50, block_seconds=600),
    remember_seconds=0.0,
)


@dataclass
class Process:
    """One pod. Its clock moves with the test's, from a value of its own."""

    authenticator: Authenticator

    async def log_in(self, password="wrong", name=ANNA, client_ip=HOME):
        answer = await self.authenticator.authenticate(name, password, client_ip=client_ip, service="imap")
        return answer.reason if isinstance(answer, Refusal) else answer

    async def fail(self, times, **how):
        return [await self.log_in(**how) for _ in range(times)]

    async def exchange(self):
        while await self.authenticator.exchange.exchange():
            pass


BAD, WAIT = RefusalReason.BAD_CREDENTIALS, RefusalReason.TOO_MANY_ATTEMPTS


class Commands(CommandListener):
    """Counts the commands of each kind for each collection."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def started(self, event):
        self.counts[event.command_name, event.command.get(event.command_name)] += 1

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass

    def of(self, command, collection):
        return self.counts[command, collection]


@pytest.fixture
def commands(monkeypatch):
    commands = Commands()
    monkeypatch.setattr(client, "LISTENERS", [commands])
    return commands


@pytest.fixture
async def store(mongo_url, database, commands):
    store = Store(mongo_url, database)
    await ensure_indexes(store)
    yield store
    await store.close()


@pytest.fixture
def process(example, store, directory, passwords, clock):
    def make(store: Store = store, ahead: float = 0.0) -> Process:
        return Process(Authenticator(store, directory, passwords, LIMITS, clock=lambda: clock() + ahead))

    return make


@pytest.fixture
def first(process):
    return process()


@pytest.fixture
def second(process):
    return process(ahead=86_400.0)


async def test_guesses_at_two_processes_share_their_free_failures(first, second):
    assert await first.fail(2) == [BAD, BAD]
    assert await second.fail(2) == [BAD, BAD]
    await first.exchange()
    await second.exchange()
    await first.exchange()
    assert [await first.log_in(), await second.log_in()] == [WAIT, WAIT]


async def test_guesses_at_two_processes_at_once_get_no_more_than_one_exchange_allows(first, second, clock):
    checked = 0
    for _ in range(30):  # seconds
        answers = await asyncio.gather(*(each.log_in() for each in (first, second) for _ in range(5)))
        checked += answers.count(BAD)
        await asyncio.gather(first.exchange(), second.exchange())
        clock.now += 1
    assert checked <= 2 * 4 + 2 * 5


async def test_a_process_that_starts_later_counts_what_was_before(first, process):
    await first.fail(4)
    await first.exchange()
    late = process(ahead=-500.0)
    assert await late.log_in() is BAD  # the first failure makes it read
    await late.exchange()
    assert await late.log_in() is WAIT


async def test_a_report_counts_once_however_often_it_is_sent_and_read(first, second, monkeypatch):
    reports = first.authenticator.exchange._reports
    add = reports.add

    async def lost(name, report):
        await add(name, report)
        raise Unavailable("the answer was lost")

    await first.fail(2)
    monkeypatch.setattr(reports, "add", lost)
    with pytest.raises(Unavailable):
        await first.exchange()
    await second.log_in(client_ip=ABROAD)
    await second.exchange()
    monkeypatch.setattr(reports, "add", add)
    for each in (first, second, first, second):
        await each.exchange()
    assert await second.fail(2) == [BAD, BAD]
    assert await second.log_in() is WAIT
    assert await first.fail(2) == [BAD, BAD]


async def test_local_counts_go_on_in_an_outage_and_what_waited_is_sent_afterwards(first, second, monkeypatch):
    async def fails(*_):
        raise Unavailable("MongoDB is unreachable")

    with monkeypatch.context() as outage:
        outage.setattr(first.authenticator.exchange._reports, "add", fails)
        for _ in range(4):
            assert await first.log_in() is BAD
            with pytest.raises(Unavailable):
                await first.exchange()
        assert await first.log_in() is WAIT
    await first.exchange()
    await first.exchange()
    await second.log_in(client_ip=ABROAD)
    await second.exchange()
    assert await second.log_in() is WAIT


async def test_a_refusal_does_not_wait_for_an_unreachable_store(
    process, example, directory, passwords, clock
):
    unreachable = Store("mongodb://127.0.0.1:9/?directConnection=true", "none", timeout_ms=60_000)
    alone = process()
    exchange = alone.authenticator.exchange
    exchange._asked = process(unreachable).authenticator.exchange._asked
    await alone.fail(4)
    begin = asyncio.get_running_loop().time()
    assert await alone.fail(20) == [WAIT] * 20
    assert asyncio.get_running_loop().time() - begin < 3
    await unreachable.close()


async def test_the_user_of_a_network_known_to_another_process_is_not_locked_out(first, second):
    assert isinstance(await first.log_in(RIGHT), Identity)
    await first.exchange()
    for n in range(40):
        await second.log_in(client_ip=f"10.0.{n}.1")
    assert await second.log_in(RIGHT, client_ip=ABROAD) is WAIT
    assert isinstance(await second.log_in(RIGHT), Identity)


async def test_a_known_network_is_stored_once_a_day_and_not_for_each_login(first, store, commands):
    for _ in range(3):
        assert isinstance(await first.log_in(RIGHT), Identity)
        await first.exchange()
    assert commands.of("update", "login_networks") == 1
    assert commands.of("find", COLLECTION) == 0  # nobody has failed


async def test_networks_are_forgotten_with_their_account(first, store):
    identity = await first.log_in(RIGHT)
    await first.exchange()
    networks = LoginNetworks(store)
    pair = (ANNA, "192.0.2.0/24")
    assert await networks.entry_known([pair, (ANNA, "10.0.0.0/24")]) == [True, False]
    await networks.remove_of_account("acme", identity.account)
    assert await networks.entry_known([pair]) == [False]


async def test_an_exchange_is_one_write_and_one_read_and_nothing_in_quiet_times(first, clock, commands):
    await first.exchange()
    assert commands.of("find", COLLECTION) == 0
    for n in range(100):
        await first.log_in(name=f"user{n}@example.org", client_ip=f"10.0.{n}.1")
    await first.exchange()
    assert (commands.of("update", COLLECTION), commands.of("find", COLLECTION)) == (1, 1)
    await first.exchange()
    assert (commands.of("update", COLLECTION), commands.of("find", COLLECTION)) == (1, 2)
    clock.now += 61
    await first.exchange()
    assert (commands.of("update", COLLECTION), commands.of("find", COLLECTION)) == (1, 2)


async def guess_until_blocked(first, second, clock):
    """Guess at one account once a second for a minute; the blocks that were logged."""
    with capture_logs() as logs:
        for _ in range(60):
            await first.log_in()
            await asyncio.gather(first.exchange(), second.exchange())
            clock.now += 1
    return [(line["kind"], line["subject"]) for line in logs if line["event"] == "login.blocked"]


async def test_a_block_is_logged_once_and_in_force_at_all_processes(first, second, store, clock):
    await second.log_in(name="nobody@example.org", client_ip=ABROAD)
    assert await guess_until_blocked(first, second, clock) == [("account-from-address", f"{ANNA} {HOME}")]
    (stored,) = await LoginBlocks(store).entry_in_force()
    assert 500 < stored.seconds <= 600
    clock.now += 300  # the pause alone would be over
    assert [await first.log_in(), await second.log_in()] == [WAIT, WAIT]
    assert await second.log_in(client_ip="192.0.2.2") is BAD


async def test_a_process_that_starts_later_knows_the_blocks(first, second, process, clock):
    await guess_until_blocked(first, second, clock)
    clock.now += 300
    late = process(ahead=7.0)
    await late.log_in(name="nobody@example.org", client_ip=ABROAD)
    await late.exchange()
    assert await late.log_in() is WAIT


@pytest.mark.parametrize("name", [ANNA, HOME, f"{ANNA} {HOME}"])
async def test_a_lifted_block_ends_at_all_processes_with_the_try_after_the_next(
    first, second, store, clock, name
):
    await second.log_in(name="nobody@example.org", client_ip=ABROAD)
    await guess_until_blocked(first, second, clock)
    clock.now += 120  # nothing is exchanged any more
    (lifted,) = await lifted_blocks(store, name)
    assert lifted.subject.name == f"{ANNA} {HOME}"
    assert await lifted_blocks(store, name) == []
    for each in (first, second):
        assert await each.log_in() is WAIT
        await each.exchange()
        assert await each.log_in() is BAD
