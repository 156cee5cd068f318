"""Releasing: lost tickets are found by what can be known of each row, and due rows are released fairly."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Queue
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.ids import new_spool_id
from mailyard.spool.queue.release import Release
from mailyard.spool.row import row_of
from mailyard.spool.schema import ensure_schema
from mailyard.spool.watch.horizon import path_horizons
from mailyard.store.body import Body
from mailyard.store.client import Row, Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AN_HOUR_AGO = NOW - timedelta(hours=1)
RELAY_UNREACHABLE: dict[Queue, datetime | None] = dict.fromkeys(Queue, NOW) | {Queue.REMOTE_SEND: None}
_RECIPIENT = Recipient(address="ann@one.test", tenant="one")


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    yield store
    await store.close()


def accepted(source: Source, recipient: Recipient = _RECIPIENT) -> Row:
    acceptance = Acceptance(
        sender="s@x.test",
        recipients=(recipient,),
        tenant="one",
        source=source,
        client=TransferringClient(),
        body=Body(ObjectId(), 1, b"x"),
        prefix=lambda _id, _at: b"",
    )
    return row_of(acceptance, new_spool_id(AN_HOUR_AGO), ObjectId(), AN_HOUR_AGO, b"")


async def insert(store: Store, *rows: Row) -> None:
    await store.collection("spool").insert_many(rows)


async def lost(store: Store, queues: dict[Queue, datetime | None], now: datetime = NOW) -> list[str]:
    return [ticket.spool_id for _, ticket in await Release(store).lost(path_horizons(queues), now, 10)]


@pytest.mark.parametrize("source", list(Source))
async def test_a_lost_ticket_of_mail_that_is_not_on_its_way_to_relay_does_not_wait_for_relay(
    store: Store, source: Source
) -> None:
    row = accepted(source)
    await insert(store, row)
    assert await lost(store, RELAY_UNREACHABLE) == [row["_id"]]


async def test_mail_that_may_wait_for_relay_is_not_doubled(store: Store) -> None:
    await insert(store, accepted(Source.SUBMISSION) | {"route": "remote"})
    assert await lost(store, RELAY_UNREACHABLE) == []
    assert len(await lost(store, dict.fromkeys(Queue, NOW))) == 1


async def test_a_row_without_a_route_as_version_0_2_0_wrote_it_is_released_when_no_queue_explains_it(
    store: Store,
) -> None:
    row = accepted(Source.MX)
    del row["route"]
    await insert(store, row)
    assert await lost(store, RELAY_UNREACHABLE) == []
    assert await lost(store, dict.fromkeys(Queue, NOW)) == [row["_id"]]


async def test_a_leased_row_is_not_lost_and_one_whose_lease_has_ended_is(store: Store) -> None:
    held, ended = accepted(Source.SUBMISSION), accepted(Source.SUBMISSION)
    held |= {"route": "remote", "lease": {"until": NOW + timedelta(seconds=1)}}
    ended |= {"route": "remote", "lease": {"until": NOW - timedelta(seconds=1)}}
    await insert(store, held, ended)
    release = Release(store)
    for seconds in (
        120,
        60,
        0,
    ):  # it is not known before some looks that the store was reachable all the time
        now = NOW - timedelta(seconds=seconds)
        found = await release.lost(path_horizons(dict.fromkeys(Queue, now)), now, 10)
    assert [ticket.spool_id for _, ticket in found] == [ended["_id"]]


async def test_the_search_for_lost_tickets_reads_no_row_that_waits_for_relay(
    store: Store, mongo_url: str, database: str
) -> None:
    waiting = [accepted(Source.SUBMISSION) | {"route": "remote"} for _ in range(300)]
    await insert(store, *waiting)
    await store.db.command("profile", 2)
    assert await lost(store, RELAY_UNREACHABLE) == []
    await store.db.command("profile", 0)
    found = await store.collection("system.profile").find({"command.find": "spool"}).to_list()
    assert len(found) == 2  # mail on its way to relay is not even asked for
    assert sum(each["docsExamined"] for each in found) == 0


def deferred(site: str, tenant: str, due_at: datetime) -> Row:
    return accepted(Source.SUBMISSION) | {
        "state": "deferred",
        "route": "remote",
        "site": site,
        "tenant": tenant,
        "due_at": due_at,
        "pending": [],
    }


async def test_one_sites_many_due_messages_leave_most_of_a_turn_to_others(store: Store) -> None:
    many = [deferred("big.test", "one", AN_HOUR_AGO) for _ in range(600)]
    few = [deferred(f"{number}.test", "one", NOW) for number in range(30)]
    await insert(store, *many, *few)
    released = await Release(store).due(NOW, 100)
    sites = Counter(ticket.site for _, ticket in released)
    assert len(released) == 100
    assert set(sites) == {"big.test", *(f"{number}.test" for number in range(30))}


async def test_one_tenants_many_due_messages_leave_a_part_of_a_turn_to_others(store: Store) -> None:
    many = [deferred(f"{number}.test", "big", AN_HOUR_AGO) for number in range(600)]
    local = {"route": "local", "site": ""}
    few = [deferred("", f"t{number}", NOW) | local for number in range(10)]
    await insert(store, *many, *few)
    released = await Release(store).due(NOW, 100)
    assert {ticket.tenant for _, ticket in released} == {"big", *(f"t{number}" for number in range(10))}


async def test_every_due_message_is_released_once_whoever_has_most(store: Store) -> None:
    rows = [deferred(f"{min(number, 400)}.test", f"t{number % 3}", AN_HOUR_AGO) for number in range(700)]
    await insert(store, *rows)
    release = Release(store)
    released = [ticket.spool_id for _ in range(7) for _, ticket in await release.due(NOW, 100)]
    assert sorted(released) == sorted(row["_id"] for row in rows)
    assert await release.due(NOW, 100) == []


async def test_without_a_crowd_the_oldest_are_released_first(store: Store) -> None:
    rows = [
        deferred(f"{number}.test", f"t{number}", AN_HOUR_AGO + timedelta(seconds=number))
        for number in range(40)
    ]
    await insert(store, *reversed(rows))
    released = {ticket.spool_id for _, ticket in await Release(store).due(NOW, 20)}
    assert released == {row["_id"] for row in rows[:20]}
