"""How a message came in is known to every ticket of it."""

from datetime import UTC, datetime

from bson import ObjectId

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.spool.acceptance import Acceptance, Client, Source
from mailyard.spool.row import Leg, leg_row, row_of, ticket_of
from mailyard.store.body import Body

NOW = datetime(2026, 11, 25, tzinfo=UTC)
TARGET = Recipient(address="joe@here.test", tenant="here")


def accepted_row() -> dict:
    body = Body(ObjectId(), 1, b"x")
    acceptance = Acceptance("a@there.test", (TARGET,), "here", Source.LMTP, Client(), body, lambda *_: b"")
    return row_of(acceptance, "id", ObjectId(), NOW, b"")


def test_the_ticket_of_a_message_and_of_each_of_its_legs_says_how_it_came_in():
    ticket = ticket_of(accepted_row())
    assert ticket.source == Source.LMTP
    leg = leg_row(ticket, 1, Leg(Route.LOCAL, "here", "", (TARGET,)), NOW)
    assert "source" not in leg, "the row of a leg looks like that of a message"
    assert ticket_of(leg).source == Source.LMTP


def test_a_leg_that_was_written_before_sources_were_kept_has_none():
    row = leg_row(ticket_of(accepted_row()), 1, Leg(Route.LOCAL, "here", "", (TARGET,)), NOW)
    del row["origin"]
    assert ticket_of(row).source == ""
