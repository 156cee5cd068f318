"""Delivery after users changed their mailboxes: RENAME, full accounts."""

from datetime import timedelta
from typing import Any, cast

import pytest

from mailyard.broker.pipeline import Queue
from mailyard.delivery.handler import DeliveryHandler
from mailyard.delivery.settings import DeliverySettings
from mailyard.directory.quotas import AccountQuotas
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.proto.v1.ticket_pb2 import Action, Ticket
from mailyard.store.client import Store
from tests.flow.parts import Flow

ANN = "ann@one.test"


async def tickets(flow: Flow, count: int, *addresses: str) -> list[Ticket]:
    """Accept and route messages; return their tickets for delivery."""
    for _ in range(count):
        await flow.accept(*addresses)
        await flow.route()
    return flow.broker.take(Queue.LOCAL_FILTER) + flow.broker.take(Queue.LOCAL_DELIVER)


def deliverer(flow: Flow, store: Store) -> DeliveryHandler:
    """Return the handler of another process."""
    return DeliveryHandler(store, cast("Any", flow.woken), flow.spool, DeliverySettings())


async def limit(flow: Flow, address: str, octets: int) -> None:
    await flow.store.collection("accounts").update_one(
        {"address": address}, {"$set": {"quota_bytes": octets}}
    )


async def test_after_rename_of_inbox_every_process_delivers_to_the_new_inbox(
    mongo_url: str, flow: Flow
) -> None:
    stores = [Store(mongo_url, flow.store.db.name) for _ in range(2)]
    pods = [deliverer(flow, store) for store in stores]
    for pod in pods:  # both know the account's INBOX now
        await pod.handle(await tickets(flow, 1, ANN))
    await flow.mailboxes.rename(await flow.account(ANN), "INBOX", "Old")
    for pod in pods:
        await pod.handle(await tickets(flow, 1, ANN))
        await pod.handle(await tickets(flow, 1, ANN))
    assert await flow.found(ANN, "Old") == [1, 2]
    assert await flow.found(ANN) == [1, 2, 3, 4]
    for store in stores:
        await store.close()


@pytest.mark.parametrize("warm", [True, False])
async def test_quarantined_mail_follows_a_renamed_junk_mailbox(flow: Flow, warm: bool) -> None:
    if warm:
        await flow.accept(ANN)
        await flow.route()
        await flow.deliver(Action.ACTION_QUARANTINE)
    account = await flow.account(ANN)
    await flow.mailboxes.ensure_defaults(account)
    await flow.mailboxes.rename(account, "Junk", "Spam")
    await flow.accept(ANN)
    await flow.route()
    await flow.deliver(Action.ACTION_QUARANTINE)
    assert len(await flow.found(ANN, "Spam")) == 1 + warm
    assert "Junk" not in {each.name for each in await Mailboxes(flow.store).list(account)}


async def test_quarantined_mail_gets_a_new_junk_mailbox_when_the_user_deleted_it(flow: Flow) -> None:
    account = await flow.account(ANN)
    for _ in range(2):
        await flow.accept(ANN)
        await flow.route()
        await flow.deliver(Action.ACTION_QUARANTINE)
        assert len(await flow.found(ANN, "Junk")) == 1
        await flow.mailboxes.delete(account, "Junk")


async def test_mail_for_a_full_mailbox_is_deferred_and_delivered_when_there_is_room(flow: Flow) -> None:
    await limit(flow, ANN, 10)
    await flow.accept("both@one.test")
    await flow.route()
    all_tickets = flow.broker.take(Queue.LOCAL_FILTER)
    await flow.deliverer.handle(all_tickets)
    assert await flow.found(ANN) == []
    assert await flow.found("bob@one.test") == [1]
    [deferred] = [row async for row in flow.store.collection("spool").find({"due_at": {"$exists": True}})]
    assert "4.2.2 the mailbox is full" in str(deferred["timeline"])
    await limit(flow, ANN, 1_000_000)
    again = deliverer(flow, flow.store)  # without the cached quota
    await again.handle(all_tickets)
    assert await flow.found(ANN) == [1]
    assert await flow.found("bob@one.test") == [1]


async def test_a_ticket_that_comes_again_after_the_mailbox_was_filled_by_its_mail_ends_as_delivered(
    flow: Flow,
) -> None:
    await limit(flow, ANN, 1_000)
    given = await tickets(flow, 1, ANN)
    await flow.deliverer.handle(given)
    await limit(flow, ANN, 10)
    again = deliverer(flow, flow.store)
    await again.handle(given)
    row = await flow.row(given[0].spool_id)
    assert (row["state"], row["outcomes"]["0"]["result"]) == ("done", "delivered")
    assert "due_at" not in row
    assert await flow.found(ANN) == [1]


async def test_mail_for_a_mailbox_that_stays_full_is_returned_to_the_sender(flow: Flow) -> None:
    await limit(flow, ANN, 10)
    [ticket] = await tickets(flow, 1, ANN)
    ticket.accepted_at_ms -= int(timedelta(days=30).total_seconds() * 1000)
    await flow.deliverer.handle([ticket])
    row = await flow.row(ticket.spool_id)
    outcome = row["outcomes"]["0"]
    assert (outcome["result"], outcome["status"]) == ("expired", "5.4.7")
    assert "4.2.2 the mailbox is full" in outcome["text"]
    assert "due_at" not in row


async def test_a_quota_is_read_once_for_a_while_and_an_account_without_one_has_no_limit(flow: Flow) -> None:
    seconds = 0.0
    quotas = AccountQuotas(flow.store, clock=lambda: seconds)
    ann, bob = await flow.account(ANN), await flow.account("bob@one.test")
    await limit(flow, ANN, 10)
    assert await quotas.of([ann, bob]) == {ann: 10}
    await limit(flow, ANN, 20)
    assert await quotas.of([ann, bob]) == {ann: 10}
    seconds = 31.0
    assert await quotas.of([ann, bob]) == {ann: 20}
