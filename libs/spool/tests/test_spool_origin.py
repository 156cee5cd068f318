"""How and from whom a message came in is known to every ticket of it, whichever version wrote its row."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Route
from mailyard.message.received import Hop, received_field
from mailyard.proto.v1.ticket_pb2 import Action, Origin, Recipient, Ticket
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.finding import Finding, finding_message, finding_of
from mailyard.spool.origin import is_from_outside, origin_of
from mailyard.spool.row import Leg, leg_row, row_of, ticket_of
from mailyard.store.body import Body

NOW = datetime(2026, 11, 25, tzinfo=UTC)
TARGET = Recipient(address="joe@here.test", tenant="here")
CLIENT = TransferringClient(
    address="192.0.2.1",
    name="there.test",
    protocol="ESMTPSA",
    tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
    account="0" * 24,
    login="a@here.test",
    host="host.there.test",
    certificate="CN=there.test",
)
ORIGIN = Origin(
    source="submission",
    client_address="192.0.2.1",
    client_name="host.there.test",
    helo="there.test",
    protocol="ESMTPSA",
    tls_version="TLSv1.3",
    tls_cipher="TLS_AES_256_GCM_SHA384",
    account="0" * 24,
    login="a@here.test",
    certificate_subject="CN=there.test",
)
FINDING = Finding("spf", "softfail", Action.ACTION_TAG, "no", "5.7.23", 2.5, (b"X-SPF: softfail\r\n",))
LEG = Leg(Route.LOCAL, "here", "", (TARGET,))


def accepted_row(
    source: Source = Source.SUBMISSION,
    client: TransferringClient = CLIENT,
    prefix: bytes = b"",
    findings: tuple[Finding, ...] = (),
) -> dict:
    acceptance = Acceptance(
        "a@here.test", (TARGET,), "here", source, Body(ObjectId(), 1, b"x"), client, findings=findings
    )
    return row_of(acceptance, "id", ObjectId(), NOW, prefix)


def test_the_tickets_of_a_message_and_of_each_of_its_legs_have_its_origin():
    ticket = ticket_of(accepted_row())
    assert ticket.origin == ORIGIN
    leg = leg_row(ticket, 1, LEG, NOW)
    assert "source" not in leg, "the row of a leg looks like that of a message"
    assert ticket_of(leg).origin == ORIGIN


def test_services_of_an_older_version_find_the_source_where_it_was():
    assert ticket_of(accepted_row(Source.LMTP)).source == "lmtp"
    assert leg_row(ticket_of(accepted_row(Source.LMTP)), 1, LEG, NOW)["origin"] == "lmtp"


def test_findings_of_the_dialogue_are_in_every_ticket():
    ticket = ticket_of(accepted_row(findings=(FINDING,)))
    for each in (ticket, ticket_of(leg_row(ticket, 1, LEG, NOW))):
        assert [finding_of(found) for found in each.findings] == [FINDING]
    assert finding_of(finding_message(FINDING)) == FINDING


def received(protocol: str) -> bytes:
    tls = "TLSv1.3 TLS_AES_256_GCM_SHA384" if "S" in protocol.removesuffix("A")[5:] else ""
    return received_field(Hop("there.test", "192.0.2.1", "", "mx.test", protocol, "id", NOW, tls))


@pytest.mark.parametrize(
    ("protocol", "source"),
    [
        ("ESMTP", Source.MX),
        ("SMTP", Source.MX),
        ("ESMTPS", Source.MX),
        ("UTF8SMTPS", Source.MX),
        ("ESMTPSA", Source.SUBMISSION),
        ("UTF8SMTPSA", Source.SUBMISSION),
        ("LMTP", Source.LMTP),
        ("UTF8LMTPS", Source.LMTP),
    ],
)
def test_rows_and_tickets_of_0_2_0_say_in_their_received_field_how_they_came_in(
    protocol: str, source: Source
):
    row = leg_row(ticket_of(accepted_row(prefix=received(protocol))), 1, LEG, NOW)
    del row["origin"], row["client"]
    ticket = Ticket(prefix=received(protocol))
    for origin in (ticket_of(row).origin, origin_of(ticket)):
        assert (origin.source, origin.client_address, origin.helo) == (source, "192.0.2.1", "there.test")
        assert origin.protocol == protocol


def test_legs_and_tickets_of_0_3_0_keep_their_source_and_complete_it():
    row = leg_row(ticket_of(accepted_row(prefix=received("ESMTP"))), 1, LEG, NOW) | {"origin": "lmtp"}
    del row["client"]
    for origin in (ticket_of(row).origin, origin_of(Ticket(source="lmtp", prefix=received("ESMTP")))):
        assert (origin.source, origin.client_address) == ("lmtp", "192.0.2.1")


def test_a_bounce_of_0_3_0_is_a_generated_message():
    row = accepted_row(client=TransferringClient()) | {"source": "bounce"}
    assert ticket_of(row).origin.source == Source.GENERATED
    assert origin_of(Ticket(source="bounce")).source == Source.GENERATED


def test_fields_of_a_newer_version_are_no_obstacle():
    row = accepted_row()
    row["client"]["colour"] = "blue"
    assert ticket_of(row).origin == ORIGIN


@pytest.mark.parametrize(
    ("source", "outside"),
    [
        (Source.MX, True),
        (Source.LMTP, True),
        ("", True),
        ("new", True),
        (Source.SUBMISSION, False),
        (Source.API, False),
        (Source.GENERATED, False),
    ],
)
def test_mail_is_from_outside_unless_a_user_or_this_installation_sent_it(source: str, outside: bool):
    assert is_from_outside(Origin(source=source)) is outside
