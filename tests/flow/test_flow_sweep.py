"""What nobody needs goes, and nothing else: bodies by their references, rows and expunged messages by their windows."""

from datetime import timedelta

from mailyard.broker.topology import Queue
from mailyard.mailbox.model import FlagChange
from mailyard.router.settings import RouterSettings
from mailyard.router.sweep import Sweep
from mailyard.runtime.clock import now_utc
from mailyard.store.body import CHUNK_SIZE
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
    assert len(flow.shelf.queues[Queue.SMTP_IN_ROUTE]) == 1
    await sweep(flow, timedelta(days=2))
    assert await bodies(flow) == 1  # the bounce's own
