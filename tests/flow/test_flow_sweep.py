"""The sweep deletes what is not needed, and nothing else: bodies by their references, rows and expunged messages by their age."""

import contextlib
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from mailyard.broker.pipeline import Queue
from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.retention import blobs_in_mailboxes, purge_account
from mailyard.router import sweep as sweep_module
from mailyard.router.settings import RouterSettings
from mailyard.router.sweep import Sweep
from mailyard.runtime.clock import now_utc
from mailyard.store.body import CHUNK_SIZE
from mailyard.store.bodychecks import BodyChecks
from mailyard.store.client import Row, Store
from tests.flow.parts import Flow

FOREVER = timedelta(days=400)


async def sweep(flow: Flow, after: timedelta) -> None:
    settings = RouterSettings(hostname="mail.one.test")
    step = Sweep(flow.store, settings, clock=lambda: now_utc() + after)
    while await step.work():
        pass


async def bodies(flow: Flow) -> int:
    return await flow.store.collection("mail.files").count_documents({})


async def delivered(flow: Flow) -> None:
    await flow.accept("ann@one.test")
    await flow.route()
    await flow.deliver()


async def test_a_body_in_a_mailbox_stays_however_old_and_its_row_goes(flow: Flow) -> None:
    await delivered(flow)
    await sweep(flow, FOREVER)
    assert await bodies(flow) == 1
    assert await flow.store.collection("spool").count_documents({}) == 0


async def test_a_body_that_still_waits_in_the_spool_stays(flow: Flow) -> None:
    spool_id = await flow.accept("x@remote.test")
    await sweep(flow, FOREVER)
    assert await bodies(flow) == 1
    assert (await flow.row(spool_id))["state"] == "active"


async def test_an_expunged_message_stays_for_its_window_and_then_goes_with_its_body(flow: Flow) -> None:
    await delivered(flow)
    inbox = await flow.mailboxes.get(await flow.account("ann@one.test"), "INBOX")
    await flow.messages.store(inbox, [1], FlagChange.ADD, frozenset({"\\Deleted"}))
    await flow.messages.expunge(inbox, None)
    await sweep(flow, timedelta(days=6))
    assert await bodies(flow) == 1
    await sweep(flow, timedelta(days=8))
    assert await bodies(flow) == 0
    assert await flow.store.collection("mail.chunks").count_documents({}) == 0


async def test_a_body_that_one_of_two_mailboxes_keeps_stays(flow: Flow) -> None:
    await flow.accept("both@one.test")
    await flow.route()
    await flow.deliver()
    inbox = await flow.mailboxes.get(await flow.account("ann@one.test"), "INBOX")
    await flow.messages.store(inbox, [1], FlagChange.ADD, frozenset({"\\Deleted"}))
    await flow.messages.expunge(inbox, None)
    await sweep(flow, FOREVER)
    assert await bodies(flow) == 1


async def test_what_a_writer_that_died_left_goes_after_a_day(flow: Flow) -> None:
    writer = flow.spool.blobs.writer()
    await writer.write(bytes(3 * CHUNK_SIZE))
    await sweep(flow, timedelta(hours=23))
    assert await flow.store.collection("mail.chunks").count_documents({}) > 0
    await sweep(flow, timedelta(hours=25))
    assert await flow.store.collection("mail.chunks").count_documents({}) == 0


async def test_the_body_of_a_failure_stays_until_the_sender_knows(flow: Flow) -> None:
    await flow.accept("nobody@one.test", sender="bob@one.test")
    await flow.route()
    await sweep(flow, timedelta(days=2))
    assert await bodies(flow) == 1
    await flow.bouncer.work()
    assert len(flow.broker.queues[Queue.SMTP_IN_ROUTE]) == 1
    await sweep(flow, timedelta(days=2))
    assert await bodies(flow) == 1  # the bounce's own


async def test_each_body_is_looked_at_once_and_a_sweep_without_news_reads_none(flow: Flow) -> None:
    for _ in range(3):
        await delivered(flow)
    await sweep(flow, timedelta(days=2))
    await flow.store.db.command("profile", 2)
    await sweep(flow, timedelta(days=2))
    await flow.store.db.command("profile", 0)
    found = flow.store.collection("system.profile").find({"docsExamined": {"$exists": True}})
    examined = {each["ns"].partition(".")[2]: each["docsExamined"] async for each in found}
    assert examined.pop("leases") == 1
    assert sum(examined.values()) <= 1  # the row that says how far the walk has come


async def test_a_body_that_outlives_its_day_in_the_spool_goes_when_its_row_has_ended(flow: Flow) -> None:
    spool_id = await flow.accept("x@remote.test")
    await sweep(flow, timedelta(days=2))
    await flow.store.collection("spool").update_one(
        {"_id": spool_id}, {"$set": {"state": "done"}, "$unset": {"due_at": ""}}
    )
    await sweep(flow, timedelta(days=6))
    assert await bodies(flow) == 0


@pytest.mark.parametrize("step", range(12))
async def test_a_sweep_that_dies_at_any_step_loses_no_body_and_leaves_none(
    flow: Flow, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One body is kept by a mailbox, one by the spool, one was expunged and one has no row: the last two must go."""
    await flow.accept("x@remote.test")
    flow.broker.take(Queue.SMTP_IN_ROUTE)
    await delivered(flow)
    await delivered(flow)
    inbox = await flow.mailboxes.get(await flow.account("ann@one.test"), "INBOX")
    await flow.messages.store(inbox, [1], FlagChange.ADD, frozenset({"\\Deleted"}))
    await flow.messages.expunge(inbox, None)
    writer = flow.spool.blobs.writer()
    await writer.write(bytes(3 * CHUNK_SIZE))
    writes = 0

    class Died(Exception):
        pass

    def dying(name: str) -> None:
        real = getattr(AsyncCollection, name)

        async def write(*args: Any, **more: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == step + 1:
                raise Died
            return await real(*args, **more)

        monkeypatch.setattr(AsyncCollection, name, write)

    for name in ("delete_many", "bulk_write", "update_one"):
        dying(name)
    with contextlib.suppress(Died):
        await sweep(flow, timedelta(days=9))
    monkeypatch.undo()
    await sweep(flow, timedelta(days=9))
    assert await bodies(flow) == 2
    assert len(await flow.store.collection("mail.chunks").distinct("files_id")) == 2
    needed = {row["blob"] for name in ("spool", "messages") for row in await rows_with_bodies(flow, name)}
    assert needed == set(await flow.store.collection("mail.files").distinct("_id"))


async def rows_with_bodies(flow: Flow, collection: str) -> list[Row]:
    open_or_kept = {"due_at": {"$exists": True}} if collection == "spool" else {}
    return await flow.store.collection(collection).find(open_or_kept).to_list()


async def test_a_body_that_loses_its_last_message_while_it_is_looked_at_goes_at_a_later_look(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    await delivered(flow)
    await sweep(flow, timedelta(days=2))
    [body] = [row["_id"] async for row in flow.store.collection("mail.files").find({}, {"_id": 1})]
    account = await flow.account("ann@one.test")
    await BodyChecks(flow.store).note([body], now_utc() + timedelta(days=2))

    async def named_until_now(store: Store, blobs: Collection[ObjectId]) -> set[ObjectId]:
        named = await blobs_in_mailboxes(store, blobs)
        await purge_account(store, account, 10, clock=lambda: now_utc() + timedelta(days=3))
        return named

    with monkeypatch.context() as patch:
        patch.setattr(sweep_module, "blobs_in_mailboxes", named_until_now)
        await sweep(flow, timedelta(days=3))
    await sweep(flow, timedelta(days=5))
    assert await bodies(flow) == 0
