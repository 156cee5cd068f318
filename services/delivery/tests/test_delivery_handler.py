"""Plans are executed: every copy is stored once, refusals and discards end the recipient, and the row says so."""

import pytest
from bson import ObjectId
from delivery_doubles import again, copies, deliver, follow, results, row, ticket_for

from mailyard.delivery.plan import Discard, FileInto, Reject
from mailyard.imap.wellknown import INBOX
from mailyard.mailbox.model import JUNK
from mailyard.proto.v1.ticket_pb2 import Action
from mailyard.store.client import Store

FLAGGED = frozenset({"\\Flagged"})


async def test_a_plan_with_several_copies_stores_each_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, FileInto(INBOX), FileInto(JUNK, FLAGGED), FileInto(INBOX))
    ticket = await ticket_for(store, account)
    for _ in range(2):
        await deliver(store).handle([again(ticket)])
    assert await copies(store, account) == [
        (f"{account}:message", "INBOX", []),
        (f"{account}:message:1", "Junk", ["\\Flagged"]),
        (f"{account}:message:2", "INBOX", []),
    ]
    assert await results(store) == {"0": "delivered"}


async def test_flags_of_a_plan_stand_at_the_first_copy_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, FileInto(INBOX, FLAGGED))
    await deliver(store).handle([await ticket_for(store, account)])
    assert await copies(store, account) == [(f"{account}:message", "INBOX", ["\\Flagged"])]


async def test_quarantined_mail_is_counted_as_quarantined(store: Store, account: str) -> None:
    await deliver(store).handle([await ticket_for(store, account, action=Action.ACTION_QUARANTINE)])
    assert [mailbox for _, mailbox, _ in await copies(store, account)] == ["Junk"]
    assert await results(store) == {"0": "quarantined"}
    assert (await row(store))["sum"] == {"tenant": "one", "result": "quarantined", "count": 1}
    assert [each["detail"] for each in (await row(store))["timeline"]] == ["1 x Junk"]


async def test_a_discard_ends_the_message_and_stores_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Discard())
    await deliver(store).handle([await ticket_for(store, account)])
    assert await copies(store, account) == []
    assert await results(store) == {"0": "discarded"}
    assert "bounce_at" not in await row(store)


async def test_a_rejection_makes_a_bounce_due(
    store: Store, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    follow(monkeypatch, Reject("5.7.1", "550 5.7.1 no thanks"))
    await deliver(store).handle([await ticket_for(store, account)])
    found = await row(store)
    assert await copies(store, account) == []
    assert (found["outcomes"]["0"]["result"], found["outcomes"]["0"]["text"]) == (
        "bounced",
        "550 5.7.1 no thanks",
    )
    assert "bounce_at" in found


async def test_each_recipient_of_a_ticket_ends_in_its_own_way(store: Store, account: str) -> None:
    await deliver(store).handle([await ticket_for(store, account, "")])
    assert await results(store) == {"0": "delivered", "1": "bounced"}
    assert {each["event"]: each["detail"] for each in (await row(store))["timeline"]} == {
        "message.delivered": "1 x INBOX",
        "message.failed": "1 x 550 5.1.1 no such mailbox here",
    }


async def test_a_message_whose_body_is_lost_waits_and_the_others_are_delivered(
    store: Store, account: str
) -> None:
    ticket = await ticket_for(store, account)
    ticket.blob_id = ObjectId().binary
    await deliver(store).handle([ticket])
    found = await row(store)
    assert (found["state"], found["route"]) == ("deferred", "local")
    assert "the body is not in the store" in found["reason"]["text"]
