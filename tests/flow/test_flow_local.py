"""A message from acceptance to the mailboxes."""

from datetime import timedelta

from mailyard.broker.pipeline import Queue, QueuePath
from mailyard.proto.v1.ticket_pb2 import Action
from mailyard.runtime.clock import now_utc
from mailyard.spool.queue.release import Release
from mailyard.spool.watch.trace import trace
from tests.flow.parts import BODY, Flow


async def test_a_message_reaches_its_mailbox_once_however_often_its_ticket_comes(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test")
    await flow.route()
    tickets = await flow.deliver()
    await flow.deliverer.handle(tickets)
    assert await flow.found("ann@one.test") == [1]
    row = await flow.row(spool_id)
    assert (row["state"], row["outcomes"]["0"]["result"]) == ("done", "delivered")
    assert "due_at" not in row
    assert await flow.unaccounted() == {"one": 0}
    [traced] = await trace(flow.store, spool_id)
    assert [step.event for step in traced.steps][:3] == [
        "message.accepted",
        "message.routed",
        "message.delivered",
    ]


async def test_a_ticket_that_comes_twice_in_one_call_is_worked_on_once(flow: Flow) -> None:
    plain = await flow.accept("ann@one.test")
    several = await flow.accept("bob@one.test", "cat@two.test")
    tickets = flow.broker.take(Queue.SMTP_IN_ROUTE)
    await flow.intake.handle([*tickets, *tickets])
    tickets = flow.broker.take(Queue.LOCAL_FILTER)
    await flow.deliverer.handle([*tickets, *tickets])
    for address in ("ann@one.test", "bob@one.test", "cat@two.test"):
        assert await flow.found(address) == [1]
    assert [(await flow.row(spool_id))["state"] for spool_id in (plain, several)] == ["done", "split"]
    assert await flow.became() == {"delivered": 3}


async def test_what_is_read_is_the_prefix_and_the_octets_that_came(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test")
    await flow.route()
    await flow.deliver()
    account = await flow.account("ann@one.test")
    inbox = await flow.mailboxes.get(account, "INBOX")
    [message] = [each async for each in flow.messages.fetch(inbox, [1], {"prefix", "blob_id", "size"})]
    assert message.prefix == (
        b"Return-Path: <a@there.test>\r\nDelivered-To: ann@one.test\r\n"
        b"Received: by mail.one.test id " + spool_id.encode() + b"\r\n"
    )
    assert await flow.spool.blobs.read(message.blob_id) == BODY
    assert message.size == len(message.prefix) + len(BODY)


async def test_an_alias_becomes_one_copy_for_each_account_and_the_ledger_knows(flow: Flow) -> None:
    spool_id = await flow.accept("both@one.test", "ann@one.test")
    await flow.route()
    [ticket] = flow.broker.queues[Queue.LOCAL_FILTER]
    assert [target.address for target in ticket.recipients] == ["ann@one.test", "bob@one.test"]
    await flow.deliver()
    assert await flow.found("ann@one.test") == [1]
    assert await flow.found("bob@one.test") == [1]
    assert (await flow.row(spool_id))["state"] == "done"
    assert await flow.unaccounted() == {"one": 0}


async def test_a_message_for_two_tenants_is_split_and_each_leg_ends_by_itself(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test", "cat@two.test", "both@one.test")
    await flow.route()
    assert (await flow.row(spool_id))["state"] == "split"
    assert await flow.unaccounted() == {"one": 0, "two": 0}
    await flow.deliver()
    assert await flow.found("cat@two.test") == [1]
    assert await flow.found("ann@one.test") == [1]
    assert [row.state for row in await trace(flow.store, spool_id)] == ["split", "done", "done"]
    assert await flow.unaccounted() == {"one": 0, "two": 0}
    assert await flow.became() == {"delivered": 3}


async def test_a_ticket_that_comes_again_splits_nothing_again(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test", "cat@two.test")
    tickets = flow.broker.take(Queue.SMTP_IN_ROUTE)
    await flow.intake.handle(tickets)
    await flow.intake.handle(tickets)
    assert len(await trace(flow.store, spool_id)) == 3
    await flow.deliver()
    assert await flow.found("ann@one.test") == [1]
    assert await flow.became() == {"delivered": 2}


async def test_a_forward_to_a_remote_domain_is_a_remote_leg_of_the_aliases_tenant(flow: Flow) -> None:
    await flow.accept("away@one.test")
    await flow.route()
    [remote] = flow.broker.queues[Queue.REMOTE_FILTER]
    assert (remote.site, remote.tenant, [each.address for each in remote.recipients]) == (
        "remote.test",
        "one",
        ["x@remote.test"],
    )
    assert await flow.unaccounted() == {"one": 0, "two": 0}


async def test_quarantined_mail_goes_to_junk_and_the_ledger_says_quarantined(flow: Flow) -> None:
    await flow.accept("ann@one.test")
    await flow.route()
    await flow.deliver(Action.ACTION_QUARANTINE)
    assert await flow.found("ann@one.test") == []
    assert await flow.found("ann@one.test", "Junk") == [1]
    assert await flow.became() == {"quarantined": 1}
    assert await flow.unaccounted() == {"one": 0}


async def test_a_deleted_junk_mailbox_is_made_again(flow: Flow) -> None:
    for _ in range(2):
        await flow.accept("ann@one.test")
        await flow.route()
        await flow.deliver(Action.ACTION_QUARANTINE)
        assert await flow.found("ann@one.test", "Junk") == [1]
        await flow.mailboxes.delete(await flow.account("ann@one.test"), "Junk")


async def test_a_missing_body_puts_the_message_off_and_says_why(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test")
    await flow.store.collection("mail.chunks").delete_many({})
    await flow.store.collection("mail.files").delete_many({})
    await flow.route()
    await flow.deliver()
    row = await flow.row(spool_id)
    assert row["state"] == "deferred"
    assert "body is not in the store" in row["reason"]["text"]
    assert await flow.unaccounted() == {"one": 0}


async def test_a_due_message_is_released_with_a_higher_epoch_and_its_old_ticket_defers_nothing(
    flow: Flow,
) -> None:
    spool_id = await flow.accept("ann@one.test")
    await flow.route()
    [old] = flow.broker.take(Queue.LOCAL_FILTER)
    await flow.deliverer.poison(old, RuntimeError("first"))
    later = now_utc() + timedelta(days=1)
    [(queue, ticket)] = await Release(flow.store).due(later, 10)
    assert (queue, ticket.epoch, ticket.attempt) == (Queue.LOCAL_FILTER, 1, 1)
    await flow.deliverer.poison(old, RuntimeError("late"))
    assert (await flow.row(spool_id))["state"] == "active"
    await flow.deliverer.handle([ticket])
    row = await flow.row(spool_id)
    assert row["state"] == "done"
    assert await flow.found("ann@one.test") == [1]
    assert await flow.became() == {"delivered": 1}


async def test_a_row_whose_ticket_is_lost_is_released_again(flow: Flow) -> None:
    spool_id = await flow.accept("ann@one.test")
    flow.broker.take(Queue.SMTP_IN_ROUTE)
    now = now_utc() + timedelta(seconds=60)
    assert await Release(flow.store).lost({QueuePath.UNKNOWN: None, QueuePath.EDGE: None}, now, 10) == []
    [(queue, ticket)] = await Release(flow.store).lost({QueuePath.EDGE: now}, now, 10)
    assert (queue, ticket.spool_id, ticket.epoch) == (Queue.SMTP_IN_ROUTE, spool_id, 1)
