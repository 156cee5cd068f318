import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.bounce import DeliveryReport, DsnAction, RecipientReport, compose_bounce

NOW = datetime(2025, 11, 21, 9, 55, 6, tzinfo=UTC)
FAILED = RecipientReport(
    "joe@example.org",
    DsnAction.FAILED,
    "5.1.1",
    "550 5.1.1 no such user",
    remote_mta="mx.example.org",
    last_attempt=NOW,
)
ORIGINAL = b"From: a@x.org\r\nMessage-ID: <1@x.org>\r\nSubject: hi\r\n\r\nthe text\r\n"
REPORT = DeliveryReport(
    "a@x.org", [FAILED], "mx.us", "<b@mx.us>", "=_b", NOW, NOW, ORIGINAL, original_is_whole=True
)


def read(report: DeliveryReport):
    notification = compose_bounce(report)
    assert notification is not None
    assert b"\r\n.\r\n" not in notification.octets
    return email.message_from_bytes(notification.octets, policy=email.policy.default)


def status_groups(message) -> list[dict[str, str]]:
    return [dict(group.items()) for group in list(message.iter_parts())[1].get_payload()]


def test_a_bounce_is_a_report_of_three_parts():
    message = read(REPORT)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert message["To"] == "a@x.org"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.us>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["References"] == "<1@x.org>"


def test_the_status_part_has_the_fields_of_rfc_3464():
    about, recipient = status_groups(read(replace(REPORT, envid="QQ+2B314")))
    assert about == {
        "Original-Envelope-Id": "QQ+314",
        "Reporting-MTA": "dns; mx.us",
        "Arrival-Date": "Fri, 21 Nov 2025 09:55:06 +0000",
    }
    assert recipient == {
        "Final-Recipient": "rfc822; joe@example.org",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.org",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
        "Last-Attempt-Date": "Fri, 21 Nov 2025 09:55:06 +0000",
    }


def test_the_original_recipient_is_given_back_as_it_was_named():
    report = replace(REPORT, recipients=[replace(FAILED, orcpt="rfc822;joe+2Bx@y.org")])
    assert status_groups(read(report))[1]["Original-Recipient"] == "rfc822; joe+x@y.org"


def test_a_delay_says_until_when_it_will_be_tried():
    delayed = replace(FAILED, outcome=DsnAction.DELAYED, status="4.4.1", retry_until=NOW)
    message = read(replace(REPORT, recipients=[delayed]))
    assert message["Subject"] == "Your mail is delayed"
    assert status_groups(message)[1]["Will-Retry-Until"] == "Fri, 21 Nov 2025 09:55:06 +0000"


@pytest.mark.parametrize(
    ("outcome", "notify", "wanted"),
    [
        (DsnAction.FAILED, "", True),
        (DsnAction.FAILED, "NEVER", False),
        (DsnAction.FAILED, "SUCCESS,DELAY", False),
        (DsnAction.FAILED, "success,failure", True),
        (DsnAction.DELAYED, "", True),
        (DsnAction.DELAYED, "FAILURE", False),
        (DsnAction.DELAYED, "DELAY", True),
        (DsnAction.DELIVERED, "", False),
        (DsnAction.DELIVERED, "SUCCESS", True),
        (DsnAction.RELAYED, "SUCCESS,FAILURE", True),
    ],
)
def test_notify_of_rfc_3461_decides_who_is_reported(outcome, notify, wanted):
    report = replace(REPORT, recipients=[replace(FAILED, outcome=outcome, notify=notify)])
    assert (compose_bounce(report) is not None) is wanted


def test_only_those_recipients_are_named_that_may_be():
    never = replace(FAILED, address="secret@example.org", notify="NEVER")
    notification = compose_bounce(replace(REPORT, recipients=[FAILED, never]))
    assert notification is not None
    assert b"secret" not in notification.octets


def test_the_null_reverse_path_is_never_answered():
    assert compose_bounce(replace(REPORT, sender="")) is None


def test_the_whole_message_is_returned_only_when_it_was_asked_for():
    headers = list(read(REPORT).iter_parts())[2]
    assert headers.get_content().splitlines()[0] == "From: a@x.org"
    assert "the text" not in headers.get_content()
    whole = list(read(replace(REPORT, ret="FULL")).iter_parts())[2]
    assert whole.get_content_type() == "message/rfc822"
    assert whole.get_content().get_content().strip() == "the text"
    assert list(read(replace(REPORT, ret="HDRS")).iter_parts())[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("body", [b"a\0b\r\n", b"bare\nfeed\r\n", b"bare\rreturn\r\n", b"x" * 1200 + b"\r\n"])
def test_a_message_that_is_no_mail_of_lines_is_returned_as_header_only(body):
    report = replace(REPORT, original=ORIGINAL + body, ret="FULL")
    assert list(read(report).iter_parts())[2].get_content_type() == "text/rfc822-headers"


def test_eight_bit_originals_make_an_eight_bit_notification():
    notification = compose_bounce(replace(REPORT, original=ORIGINAL + b"\xfc\r\n", ret="FULL"))
    assert notification is not None
    assert notification.is_8bit
    assert not notification.needs_smtputf8
    assert b"message/rfc822\r\nContent-Transfer-Encoding: 8bit" in notification.octets


def test_international_addresses_make_it_a_report_of_rfc_6533():
    recipient = replace(FAILED, address="jörg@example.org")
    notification = compose_bounce(replace(REPORT, sender="bücher@x.org", recipients=[recipient]))
    assert notification is not None
    assert notification.needs_smtputf8
    assert b"Content-Type: message/global-delivery-status" in notification.octets
    assert "Final-Recipient: utf-8; jörg@example.org".encode() in notification.octets


@pytest.mark.parametrize(
    ("given_status", "written"), [("", "5.0.0"), ("2.0.0", "5.0.0"), ("4.4.7", "4.4.7"), ("x", "5.0.0")]
)
def test_a_status_that_contradicts_the_outcome_is_not_sent(given_status, written):
    report = replace(REPORT, recipients=[replace(FAILED, status=given_status)])
    assert status_groups(read(report))[1]["Status"] == written


def test_a_boundary_that_stands_in_the_original_is_changed():
    report = replace(REPORT, original=b"Subject: =_b\r\n\r\n--=_b--\r\n", ret="FULL")
    assert [part.get_content_type() for part in read(report).iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]


@given(st.text(max_size=300), st.text(max_size=40), st.binary(max_size=200))
def test_nothing_that_others_say_breaks_the_form(diagnostic, orcpt, original):
    recipient = replace(FAILED, diagnostic=diagnostic, orcpt=orcpt)
    notification = compose_bounce(replace(REPORT, recipients=[recipient], original=original, ret="FULL"))
    assert notification is not None
    lines = notification.octets.split(b"\r\n")
    assert all(b"\r" not in line and b"\n" not in line and b"\0" not in line for line in lines)
    assert max(map(len, lines)) <= 1000
    assert notification.octets.count(b"--=_b") == 4


def test_a_reply_beyond_ascii_leaves_the_report_in_ascii():
    refused = replace(FAILED, diagnostic="550 5.1.1 không có hộp thư")
    notification = compose_bounce(replace(REPORT, recipients=[refused]))
    assert notification is not None
    assert notification.octets.isascii()
    assert (notification.is_8bit, notification.needs_smtputf8) == (False, False)
    message = read(replace(REPORT, recipients=[refused]))
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert status_groups(message)[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 kh?ng c? h?p th?"
    assert status_groups(message)[1]["Final-Recipient"] == "rfc822; joe@example.org"
    assert "550 5.1.1 không có hộp thư" in next(message.iter_parts()).get_content()


def test_a_header_beyond_ascii_is_returned_in_quoted_printable():
    original = b"From: a@x.org\r\nSubject: caf\xe9 \xc3\xa9\r\n\r\ntext\r\n"
    notification = compose_bounce(replace(REPORT, original=original))
    assert notification is not None
    assert notification.octets.isascii()
    part = list(read(replace(REPORT, original=original)).iter_parts())[2]
    assert part.get_content_type() == "text/rfc822-headers"
    assert part.get_payload(decode=True) == b"From: a@x.org\r\nSubject: caf\xe9 \xc3\xa9\r\n\r\n"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mx.example[192.0.2.1]:25", "mx.example"),
        ("[127.0.0.1]:54144", "[127.0.0.1]"),
        ("mx.example[2001:db8::1]:25", "mx.example"),
        ("[2001:db8::1]:25", "[IPv6:2001:db8::1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("mx.example:25", "mx.example"),
        ("192.0.2.1", "[192.0.2.1]"),
        ("192.0.2.1:25", "[192.0.2.1]"),
        ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ("mx.example", "mx.example"),
    ],
)
def test_the_remote_mta_is_a_name_or_an_address_literal(host, name):
    recipient = replace(FAILED, remote_mta=host)
    assert status_groups(read(replace(REPORT, recipients=[recipient])))[1]["Remote-MTA"] == f"dns; {name}"


@pytest.mark.parametrize(
    ("orcpt", "field"),
    [
        ("rfc822;j+C3+B6rg@x.org", "rfc822; j+C3+B6rg@x.org"),
        ("rfc822;a+0D+0Ab@x.org", "rfc822; a+0D+0Ab@x.org"),
        ("rfc822;a+2Bb+3D@x.org", "rfc822; a+b=@x.org"),
        ("utf-8;j\\x{F6}rg@x.org", "utf-8; j\\x{F6}rg@x.org"),
    ],
)
def test_an_original_recipient_is_decoded_as_far_as_it_is_ascii(orcpt, field):
    recipient = replace(FAILED, orcpt=orcpt)
    assert status_groups(read(replace(REPORT, recipients=[recipient])))[1]["Original-Recipient"] == field


@pytest.mark.parametrize(
    "outcome", [DsnAction.DELIVERED, DsnAction.RELAYED, DsnAction.EXPANDED, DsnAction.DELAYED]
)
def test_only_failures_return_the_whole_message(outcome):
    recipient = replace(FAILED, outcome=outcome, notify="SUCCESS,DELAY")
    message = read(replace(REPORT, recipients=[recipient], ret="FULL"))
    assert list(message.iter_parts())[2].get_content_type() == "text/rfc822-headers"
    assert status_groups(message)[1]["Action"] == outcome


def test_a_diagnostic_of_one_endless_word_is_cut_into_lines():
    recipient = replace(FAILED, diagnostic="x" * 5000)
    notification = compose_bounce(replace(REPORT, recipients=[recipient]))
    assert notification is not None
    assert max(map(len, notification.octets.split(b"\r\n"))) <= 998


def test_text_that_is_no_unicode_breaks_no_report():
    recipient = replace(FAILED, diagnostic="550 \udcff")
    assert compose_bounce(replace(REPORT, recipients=[recipient])) is not None
