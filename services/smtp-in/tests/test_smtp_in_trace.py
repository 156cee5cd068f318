"""Header fields of mail from outside: loops end, and nobody writes results under our name."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from mailyard.message.received import Hop, received_field
from mailyard.smtp_in.headerfilters import Trace, TransitFilter
from mailyard.smtp_in.listeners import ListenerName

NOW = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)

LOOP = "554 5.4.6 Mail loop: the message has more than 100 Received fields"
DOORS = {ListenerName.MX: "EHLO", ListenerName.LMTP: "LHLO"}
HOP = "Received: from a by b; Fri, 27 Nov 2026 16:00:00 +0000\r\n"


async def connected(house, name: ListenerName):
    client = await house.client(await house.open(name), f"{DOORS[name]} client.test")
    await client.envelope("ann@one.test")
    return client


@pytest.mark.parametrize("name", DOORS)
async def test_a_message_with_a_hundred_received_fields_passes_and_one_more_is_a_loop(house, name) -> None:
    client = await connected(house, name)
    assert (await client.message(HOP * 100 + "Subject: x\r\n\r\n" + HOP * 50))[:3] == "250"
    await client.envelope("ann@one.test")
    assert await client.message(HOP * 101 + "Subject: x\r\n\r\nx") == LOOP
    assert len(house.spool.accepted) == 1
    await client.envelope("ann@one.test")
    assert (await client.message("Subject: x\r\n\r\nx"))[:3] == "250"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("a:\r\n" * 10_001, "552 5.3.4 The header section has more than 10000 lines"),
        ("a: x\r\n b\r\n" * 10_001, "552 5.3.4 The header section has more than 10000 lines"),
        (
            "Authentication-Results: x; none\r\n" * 101,
            "552 5.3.4 The message has more than 100 Authentication-Results fields",
        ),
    ],
    ids=["fields", "folded", "results"],
)
async def test_a_header_section_that_costs_too_much_is_refused(house, header, said) -> None:
    client = await connected(house, ListenerName.MX)
    assert await client.message(header + "Subject: x\r\n\r\nx") == said
    await client.envelope("ann@one.test")
    assert (await client.message("Subject: x\r\n\r\nx"))[:3] == "250"
    assert len(house.spool.accepted) == 1


@pytest.mark.parametrize(
    "hop",
    [
        "RECEIVED: x\r\n",
        "received :\r\n\tx\r\n",
        "Received\t: x\r\n y\r\n z\r\n",
        "Received:" + "x" * 3000 + "\r\n",
        "X-Other: y\r\nReceived: x\r\n",
        "Received: x\r\n" + "X-Long: " + "y" * 700 + "\r\n",
    ],
    ids=range(6),
)
async def test_received_fields_are_counted_however_they_are_written(house, hop) -> None:
    client = await connected(house, ListenerName.MX)
    assert await client.message("To: x\r\n" + hop * 101 + "Subject: x\r\n\r\nx") == LOOP


async def test_loops_are_found_behind_a_huge_header_and_in_bdat(house, eventually) -> None:
    client = await connected(house, ListenerName.MX)
    huge = "X-Huge: " + "y" * 900_000 + "\r\n"
    assert await client.message(huge + HOP * 101 + "\r\nx") == LOOP
    await eventually(lambda: all(stream.is_aborted for stream in house.bodies.streams))
    await client.envelope("ann@one.test")
    octets = (HOP * 101).encode()
    for at in range(0, len(octets), 1001):
        piece = octets[at : at + 1001]
        client.send(b"BDAT %d\r\n" % len(piece) + piece)
        assert (await client.reply())[:3] == "250"
    client.send(b"BDAT 0 LAST\r\n")
    assert await client.reply() == LOOP


async def test_a_message_without_a_loop_keeps_its_octets(house) -> None:
    client = await connected(house, ListenerName.MX)
    text = "Subject: x\r\n folded \r\nX-Odd :  y\r\nFrom: a\r\nFrom: b\r\nbad line\r\nBcc: c\r\n\r\ntext"
    assert (await client.message(text))[:3] == "250"
    assert house.spool.stored() == text.encode() + b"\r\n"
    assert house.spool.prefix().count(":") >= 1
    assert "Message-ID" not in house.spool.prefix()


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Dear all,\r\nthis: is text", b"\r\nDear all,\r\nthis: is text\r\n"),
        ("\tfaked: continuation\r\nSubject: x\r\n\r\ny", b"\r\n\tfaked: continuation\r\nSubject: x\r\n\r\ny\r\n"),
        ("Subject: x\r\nHello\r\nBye", b"Subject: x\r\n\r\nHello\r\nBye\r\n"),
    ],
)  # fmt: skip
async def test_text_without_a_header_section_stays_text(house, name, text, stored) -> None:
    client = await connected(house, name)
    assert (await client.message(text))[:3] == "250"
    assert house.spool.stored() == stored


@pytest.mark.parametrize("name", DOORS)
async def test_results_under_our_name_are_removed_and_a_return_path_stays(house, name) -> None:
    client = await connected(house, name)
    text = (
        "Return-Path: <ceo@bank.test>\r\n"
        "Authentication-Results: MAIL.one.test (x); dkim=pass\r\n header.d=bank.test\r\n"
        "Authentication-Results : (c) mail.one.test 1; spf=pass\r\n"
        "ARC-Authentication-Results: i=1; mail.one.test; dkim=pass\r\n"
        "Authentication-Results: other.test; dkim=fail\r\n"
        "Subject: x\r\n\r\nAuthentication-Results: mail.one.test; in the text"
    )
    assert (await client.message(text))[:3] == "250"
    assert house.spool.stored() == (
        b"Return-Path: <ceo@bank.test>\r\n"
        b"ARC-Authentication-Results: i=1; mail.one.test; dkim=pass\r\n"
        b"Authentication-Results: other.test; dkim=fail\r\n"
        b"Subject: x\r\n\r\nAuthentication-Results: mail.one.test; in the text\r\n"
    )


async def test_a_utf_8_recipient_stands_in_received_as_it_is_or_not_at_all(house) -> None:
    client = await house.submission()
    await client.ask("MAIL FROM:<ann@one.test> SMTPUTF8", "RCPT TO:<hộp@elsewhere.test>")
    assert (await client.message("Subject: x\r\n\r\nx"))[:3] == "250"
    assert "for <hộp@elsewhere.test>;" in house.spool.prefix()
    assert "?" not in house.spool.prefix()


def test_a_mail_that_two_servers_send_to_each_other_ends_after_a_hundred_rounds() -> None:
    """The refusal is permanent, so the server that is told makes one bounce, and a bounce begins without fields."""
    message, rounds = b"Subject: x\r\n\r\ntext\r\n", 0
    while True:
        header = TransitFilter(Trace())
        body = header.feed(message) + header.finish()
        if header.refusal is not None:
            break
        rounds += 1
        hop = Hop("peer.test", "192.0.2.1", "", "mail.one.test", "ESMTP", f"id{rounds}", NOW)
        message = received_field(hop) + body
    assert (rounds, header.refusal.code, header.refusal.enhanced) == (101, 554, "5.4.6")


async def test_nul_octets_are_replaced_and_that_is_logged(house) -> None:
    client = await connected(house, ListenerName.MX)
    with capture_logs() as logs:
        assert (await client.message("Subject: a\0\r\n\r\n\0\0"))[:3] == "250"
    assert house.spool.stored() == b"Subject: a?\r\n\r\n??\r\n"
    [line] = [line for line in logs if line["event"] == "smtp_in.nul_replaced"]
    assert (line["octets"], line["sender"]) == (3, "x@there.test")


PIECES = (
    b"Received: a\r\n", b"received :\r\n\tb\r\n", b"Received-SPF: pass\r\n", b"Authentication-Results: mx.one.test; spf=pass\r\n",
    b"Subject: x\r\n", b" folded\r\n", b"\r\n", b"\n", b"text\r\n", b"From x\r\n", b": y\r\n", b"To:\n", b"\0", b"z",
)  # fmt: skip


@given(octets=st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_a_header_section_that_comes_at_once_is_read_like_one_that_comes_octet_by_octet(
    octets: bytes,
) -> None:
    trace = Trace(received_fields=2, authserv_ids=(b"mx.one.test",))
    at_once, one_by_one = TransitFilter(trace), TransitFilter(trace)
    kept = at_once.feed(octets) + at_once.finish()
    pieces = [one_by_one.feed(octets[at : at + 1]) for at in range(len(octets))]
    pieces.append(one_by_one.finish())
    assert at_once.refusal == one_by_one.refusal
    assert kept == b"".join(pieces) or at_once.refusal is not None
