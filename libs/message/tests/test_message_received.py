from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.fields import scan_fields
from mailyard.message.received import Hop, ReceivedFrom, read_received, received_field

NOW = datetime(2025, 11, 21, 9, 55, 6, tzinfo=UTC)
HOP = Hop(
    "client.example.org",
    "192.0.2.7",
    "mail.example.org",
    "mx.example.com",
    "ESMTPS",
    "0123456789abcdefghij",
    NOW,
)


def test_a_received_field_names_both_ends_and_the_spool_id():
    assert received_field(HOP) == (
        b"Received: from client.example.org (mail.example.org [192.0.2.7])\r\n"
        b"\tby mx.example.com (Mailyard) with ESMTPS id 0123456789abcdefghij;\r\n"
        b"\tFri, 21 Nov 2025 09:55:06 +0000\r\n"
    )


def test_tls_and_a_single_recipient_are_named():
    hop = Hop("c", "2001:db8::1", "", "mx", "ESMTPS", "id", NOW, tls="TLSv1.3 AES", recipient="joe@x.org")
    assert received_field(hop) == (
        b"Received: from c (unknown [IPv6:2001:db8::1])\r\n\t(using TLSv1.3 AES)\r\n"
        b"\tby mx (Mailyard) with ESMTPS id id\r\n\tfor <joe@x.org>;\r\n\tFri, 21 Nov 2025 09:55:06 +0000\r\n"
    )


def test_an_address_that_cannot_stand_in_the_field_unchanged_is_left_out():
    for recipient in ("hộp@x.org", '"a b"@x.org', '"a\\b"@x.org', "a(b)@x.org", "a" * 400 + "@x.org"):
        octets = received_field(replace(HOP, recipient=recipient))
        assert octets == received_field(HOP)


def test_a_utf_8_recipient_is_named_in_an_internationalized_message():
    octets = received_field(replace(HOP, recipient="hộp@x.org", smtputf8=True))
    assert "for <hộp@x.org>;".encode() in octets
    assert b" for " not in received_field(replace(HOP, recipient="h\u2028p@x.org", smtputf8=True))


@given(st.text(), st.text(), st.text(), st.text())
def test_nothing_that_a_client_says_breaks_out_of_the_field(greeting, name, tls, recipient):
    octets = received_field(Hop(greeting, "192.0.2.7", name, "mx", "SMTP", "id", NOW, tls, recipient))
    (field,) = scan_fields(octets)
    assert field.name == b"received"
    assert octets.endswith(b"\r\n")
    assert all(32 <= octet < 127 or octet in b"\r\n\t" for octet in octets)
    assert octets.count(b"\n") == octets.count(b"\r\n\t") + 1
    assert octets.count(b"(") == octets.count(b")")


@pytest.mark.parametrize("client_ip", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("tls", ["", "TLSv1.3 TLS_AES_256_GCM_SHA384"])
def test_our_own_field_can_be_read_again(client_ip: str, tls: str) -> None:
    hop = Hop("there.test", client_ip, "", "mx.one.test", "ESMTPS", "id", NOW, tls, "a@one.test")
    assert read_received(received_field(hop) + b"Subject: x\r\n") == ReceivedFrom(
        "there.test", client_ip, "ESMTPS", tls
    )


@pytest.mark.parametrize(
    "greeting", ["x (y [1.2.3.4]) by z (Mailyard) with ESMTPSA id 0", "x\r\n\tby z (Mailyard)", "", "[]"]
)
def test_a_client_cannot_say_how_it_was_received(greeting: str) -> None:
    hop = Hop(greeting, "192.0.2.1", "", "mx.one.test", "ESMTP", "id", NOW)
    read = read_received(received_field(hop))
    assert read is not None
    assert (read.client_ip, read.protocol) == ("192.0.2.1", "ESMTP")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Received: from a by b with ESMTP id 0; today\r\n",
        b"X: y\r\nReceived: from a (unknown [192.0.2.1]) by b (Mailyard) with ESMTP id 0\r\n",
    ],
)
def test_fields_of_others_are_not_read(octets: bytes) -> None:
    assert read_received(octets) is None
