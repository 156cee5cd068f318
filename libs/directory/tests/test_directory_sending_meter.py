"""The meter of sent mail on a real MongoDB: processes count together, and nothing waits for it."""

import asyncio
import time
from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo.monitoring import CommandListener, CommandStartedEvent

from mailyard.directory.identity import Identity
from mailyard.directory.sending.meter import IDLE_SECONDS, SendingMeter
from mailyard.directory.sending.rates import Jump, Rates, SendingLimits
from mailyard.directory.sending.rows import COLLECTION, Sender, SendingRows, SubjectKind
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.store import client
from mailyard.store.client import Store

TEN = SendingLimits(account=Rates(day=10))
FREE = SendingLimits()


def identity(address: str = "anna@example.org", tenant: str = "acme") -> Identity:
    return Identity(str(ObjectId()), tenant, Address.parse(address))


ANNA = identity()


def account(of: Identity = ANNA) -> Sender:
    return Sender(SubjectKind.ACCOUNT, of.account, of.tenant, str(of.address))


async def ready(store: Store, *of: Identity, **options: object) -> SendingMeter:
    meter = SendingMeter(store, **options)  # type: ignore[arg-type]
    for each in of or (ANNA,):
        await meter.load(each)
    return meter


async def row(store: Store, key: str) -> dict[str, object]:
    found = await store.collection(COLLECTION).find_one({"_id": key})
    assert found is not None
    return found


async def test_mail_up_to_the_limit_passes_and_all_mail_after_it_is_held(store: Store) -> None:
    meter = await ready(store)
    assert [meter.admit(ANNA, 4, TEN) for _ in range(2)] == ["", ""]
    assert meter.admit(ANNA, 2, TEN) == ""
    reason = "account anna@example.org: 11 recipients within a day, 10 are permitted"
    assert meter.admit(ANNA, 1, TEN) == reason
    assert meter.admit(ANNA, 1, FREE) == reason  # also when a limit would permit it: somebody decides


async def test_two_processes_exceed_a_limit_by_what_one_interval_brings_and_no_more(store: Store) -> None:
    first, second = await ready(store), await ready(store)
    passed = 0
    for _ in range(20):  # exchange intervals, in each of which both accept three messages
        passed += sum(not meter.admit(ANNA, 1, TEN) for meter in (first, second) for _ in range(3))
        await asyncio.gather(first.exchange(), second.exchange())
        await asyncio.gather(first.exchange(), second.exchange())
    assert 10 <= passed <= 10 + 3  # two processes: one interval of the other one
    assert first.admit(ANNA, 1, FREE)
    assert second.admit(ANNA, 1, FREE)


async def test_counts_of_many_processes_add_up_exactly(store: Store) -> None:
    meters = [await ready(store) for _ in range(5)]
    for number in range(50):
        meters[number % 5].admit(ANNA, 2, FREE)
        if number % 7 == 0:
            await asyncio.gather(*(meter.exchange() for meter in meters))
    await asyncio.gather(*(meter.exchange() for meter in meters))
    for key in (account().key, "domain/example.org", "tenant/acme"):
        found = await row(store, key)
        assert [found[name]["count"] for name in ("hour", "day", "messages")][1:] == [100, 50]  # type: ignore[index]


async def test_a_hold_in_one_process_reaches_the_others_with_the_next_exchange(store: Store) -> None:
    first, second = await ready(store), await ready(store)
    assert first.admit(ANNA, 11, TEN)
    second.admit(ANNA, 1, FREE)
    await first.exchange()
    await second.exchange()
    assert second.admit(ANNA, 1, FREE).endswith("10 are permitted")
    third = await ready(store)  # a process that has just started
    assert third.admit(ANNA, 1, FREE).endswith("10 are permitted")


async def test_clocks_that_differ_by_hours_count_in_the_same_window(store: Store) -> None:
    ahead = await ready(store, clock=lambda: time.time() + 7_300)
    behind = await ready(store, clock=lambda: time.time() - 7_300)
    for meter in (ahead, behind):
        meter.admit(ANNA, 5, FREE)
    for meter in (ahead, behind, ahead):
        await meter.exchange()
    found = await row(store, account().key)
    assert found["hour"]["count"] == 10  # type: ignore[index]
    hourly = SendingLimits(account=Rates(hour=10))
    assert ahead.admit(ANNA, 1, hourly)
    assert behind.admit(ANNA, 1, hourly)


async def test_a_window_that_has_passed_begins_anew_and_its_day_goes_into_the_average(store: Store) -> None:
    meter = await ready(store)
    await store.collection(COLLECTION).insert_one(
        {
            "_id": account().key,
            "tenant": "acme",
            "minute": {"number": 1, "count": 9},
            "hour": {"number": 1, "count": 9},
            "day": {"number": 1, "count": 100},
            "messages": {"number": 1, "count": 9},
        }
    )
    meter.admit(ANNA, 3, FREE)
    await meter.exchange()
    found = await row(store, account().key)
    assert [found[name]["count"] for name in ("minute", "hour", "day", "messages")] == [3, 3, 3, 1]  # type: ignore[index]
    assert found["usual"] == 100
    await store.collection(COLLECTION).update_one(
        {"_id": account().key}, {"$set": {"day.number": 1, "day.count": 200}}
    )
    meter.admit(ANNA, 1, FREE)
    await meter.exchange()
    assert (await row(store, account().key))["usual"] == pytest.approx(120)


async def test_an_account_that_sends_far_more_than_usual_is_held(store: Store) -> None:
    jump = SendingLimits(jump=Jump(10, 50))
    await store.collection(COLLECTION).insert_one(
        {"_id": account().key, "tenant": "acme", "usual": 20.0, "day": {"number": 1, "count": 20}}
    )
    meter = await ready(store)
    assert meter.admit(ANNA, 200, jump) == ""
    assert (
        meter.admit(ANNA, 1, jump)
        == "account anna@example.org: 201 recipients within a day, 20 are usual for this account"
    )


async def test_a_domain_or_tenant_beyond_its_limit_holds_mail_and_marks_no_account(store: Store) -> None:
    bert = identity("bert@example.org")
    meter = await ready(store, ANNA, bert)
    limits = SendingLimits(domain=Rates(day=10), tenant=Rates(day=12))
    assert meter.admit(ANNA, 8, limits) == ""
    assert meter.admit(bert, 3, limits) == "domain example.org: 11 recipients within a day, 10 are permitted"
    assert meter.admit(bert, 2, limits) == ""  # what was held took nothing
    other = identity("carl@example.com")
    await meter.load(other)
    assert meter.admit(other, 3, limits) == "tenant acme: 13 recipients within a day, 12 are permitted"
    assert meter.admit(other, 2, limits) == ""
    await meter.exchange()
    holds = {each.sender.key for each in await SendingRows(store).holds("acme")}
    assert holds == {"domain/example.org", "tenant/acme"}


async def test_mail_of_a_held_account_takes_nothing_from_its_tenant(store: Store) -> None:
    bert = identity("bert@example.org")
    meter = await ready(store, ANNA, bert)
    limits = SendingLimits(account=Rates(day=10), tenant=Rates(day=20))
    for _ in range(30):
        assert meter.admit(ANNA, 20, limits)
    assert meter.admit(bert, 10, limits) == ""


async def test_messages_of_a_tenant_are_limited_by_day(store: Store) -> None:
    meter = await ready(store)
    limits = SendingLimits(messages_day=2)
    assert [bool(meter.admit(ANNA, 50, limits)) for _ in range(4)] == [False, False, True, True]


async def test_a_decision_lets_mail_pass_again_and_counts_from_zero(store: Store) -> None:
    meter, rows = await ready(store), SendingRows(store)
    jump = SendingLimits(account=Rates(day=10), jump=Jump(2, 5))
    assert meter.admit(ANNA, 8, jump)
    await meter.exchange()
    await rows.clear("acme", [account().key], learn=True)
    await meter.exchange()
    assert meter.admit(ANNA, 10, jump) == ""  # 8 is usual now
    await meter.exchange()
    assert await rows.holds("acme") == []


async def test_what_was_discarded_does_not_become_usual(store: Store) -> None:
    meter, rows = await ready(store), SendingRows(store)
    jump = SendingLimits(jump=Jump(2, 5))
    assert meter.admit(ANNA, 80, jump)
    await meter.exchange()
    await rows.clear("acme", [account().key], learn=False)
    await meter.exchange()
    assert meter.admit(ANNA, 6, jump)


async def test_a_decision_about_another_tenant_changes_nothing(store: Store) -> None:
    meter, rows = await ready(store), SendingRows(store)
    assert meter.admit(ANNA, 11, TEN)
    await meter.exchange()
    await rows.clear("other", [account().key], learn=True)
    assert await rows.holds("other") == []
    assert len(await rows.holds("acme")) == 1


async def test_an_account_can_have_limits_of_its_own(store: Store) -> None:
    rows = SendingRows(store)
    await rows.set_exception(account(), "100/day", jump=False)
    meter = await ready(store)
    limits = SendingLimits(account=Rates(day=10), jump=Jump(2, 5))
    assert meter.admit(ANNA, 100, limits) == ""
    await meter.exchange()
    assert "until" not in await row(store, account().key)  # it stays
    await rows.set_exception(account(), None, None)
    await meter.exchange()
    assert meter.admit(ANNA, 1, limits)
    assert "until" in await row(store, account().key)


async def test_a_hold_is_told_once_and_again_when_it_begins_anew(store: Store) -> None:
    meter, rows = await ready(store), SendingRows(store)
    far, farther = (now_utc() + timedelta(minutes=minutes) for minutes in (10, 20))
    for _ in range(3):
        assert meter.admit(ANNA, 11, TEN)
        await meter.exchange()
    claimed = await rows.entry_to_notify(far, farther)
    assert claimed is not None
    assert (claimed[0].sender, claimed[1]) == (account(), 0)
    assert await rows.entry_to_notify(far, farther) is None  # another router
    again = await rows.entry_to_notify(farther, farther)  # the first one died
    assert again is not None
    assert again[1] == 1
    await rows.notified(again[0])
    assert meter.admit(ANNA, 1, TEN)
    await meter.exchange()
    assert await rows.entry_to_notify(farther, farther) is None
    await rows.clear("acme", [account().key], learn=False)
    await meter.exchange()
    assert meter.admit(ANNA, 11, TEN)
    await meter.exchange()
    assert await rows.entry_to_notify(farther, farther) is not None


async def test_an_outage_loses_no_counts_and_holds_nobody_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = await ready(store)

    async def refuse(*_: object) -> None:
        raise Unavailable("MongoDB is unreachable")

    monkeypatch.setattr(meter._rows, "add", refuse)
    for _ in range(3):
        assert meter.admit(ANNA, 2, TEN) == ""
        with pytest.raises(Unavailable):
            await meter.exchange()
    assert meter.admit(ANNA, 5, TEN)  # it still counts alone
    monkeypatch.undo()
    await meter.exchange()
    found = await row(store, account().key)
    assert found["day"]["count"] == 11  # type: ignore[index]
    assert "held" in found


async def test_without_mongodb_a_login_is_counted_by_this_process_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = SendingMeter(store)

    async def refuse(*_: object) -> None:
        raise Unavailable("MongoDB is unreachable")

    monkeypatch.setattr(meter._rows, "entry_rows", refuse)
    await meter.load(ANNA)
    assert meter.admit(ANNA, 10, TEN) == ""
    assert meter.admit(ANNA, 1, TEN)


class Commands(CommandListener):
    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get(event.command_name) == COLLECTION:
            self.names.append(event.command_name)

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...


async def test_an_exchange_is_one_write_and_one_read_whatever_was_sent(
    store: Store, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands()
    monkeypatch.setattr(client, "LISTENERS", [commands])
    watched = Store(mongo_url, store.db.name)
    people = [identity(f"{number}@example.org") for number in range(200)]
    meter = SendingMeter(watched)
    await asyncio.gather(*(meter.load(each) for each in people))
    assert len(commands.names) <= 3  # 202 senders, 500 at once
    commands.names.clear()
    for each in people * 20:
        assert meter.admit(each, 1, FREE) == ""
    assert commands.names == []
    await meter.exchange()
    assert commands.names == ["update", "find"]
    commands.names.clear()
    await meter.exchange()
    assert commands.names == ["find"]
    await watched.close()


async def test_a_sender_that_is_idle_is_forgotten_and_then_nothing_is_asked(store: Store) -> None:
    now = 0.0
    meter = await ready(store, monotonic=lambda: now)
    meter.admit(ANNA, 1, FREE)
    now += IDLE_SECONDS + 1
    await meter.exchange()
    assert not meter.knows(ANNA)
    assert meter._known == {}
    await meter.load(ANNA)
    assert meter.admit(ANNA, 10, TEN)  # what was sent before is known again


async def test_more_senders_than_one_exchange_reads_are_read_in_turn(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailyard.directory.sending.meter._READ_AT_ONCE", 3)
    people = [identity(f"{number}@example.org") for number in range(5)]
    meter, other = await ready(store, *people), await ready(store, *people)
    for each in people:
        assert other.admit(each, 11, TEN)
    await other.exchange()
    for _ in range(3):  # three of seven: five accounts, their domain and their tenant
        await meter.exchange()
    assert all(meter.admit(each, 1, FREE).endswith("10 are permitted") for each in people)
