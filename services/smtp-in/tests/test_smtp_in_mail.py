"""Mail through an open door: envelope, policy, the 250 and what the spool gets."""

import pytest

from mailyard.message.address import Address
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.smtp_in import replies
from mailyard.smtp_in.listeners import ListenerName
from mailyard.spool.acceptance import Source

SENDER_OK, RECIPIENT_OK = "250 2.1.0 Ok", "250 2.1.5 Ok"


async def test_a_message_is_accepted_with_its_spool_id(house) -> None:
    client = await house.client(await house.open())
    assert await client.envelope("ann@one.test") == [SENDER_OK, RECIPIENT_OK]
    assert await client.message("Subject: x\r\n\r\n..dot") == "250 2.0.0 Ok: queued as spoolid0000000000001"
    [accepted] = house.spool.accepted
    assert (accepted.sender, accepted.tenant, accepted.source) == ("x@there.test", "one", Source.MX)
    assert accepted.recipients == (Recipient(address="ann@one.test", tenant="one"),)
    assert accepted.body.octets == b"Subject: x\r\n\r\n.dot\r\n"
    assert accepted.client.address == "127.0.0.1"
    assert (accepted.client.name, accepted.client.protocol) == ("client.test", "ESMTP")


async def test_the_received_field_names_client_protocol_spool_id_and_a_single_recipient(house) -> None:
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    await client.message("x")
    assert house.spool.prefix() == (
        "Received: from client.test (unknown [127.0.0.1]) by mail.one.test (Mailyard) with ESMTP id spoolid"
        " for <ann@one.test>; Mon, 23 Nov 2026 15:00:00 +0000\r\n"
    )


async def test_several_recipients_do_not_see_each_other(house) -> None:
    client = await house.client(await house.open())
    await client.envelope("ann@one.test", "cat@two.test")
    await client.message("x")
    assert " for " not in house.spool.prefix()
    [accepted] = house.spool.accepted
    assert [(each.address, each.origin, each.tenant) for each in accepted.recipients] == [
        ("ann@one.test", 0, "one"),
        ("cat@two.test", 1, "two"),
    ]


async def test_the_mx_takes_local_recipients_only(house) -> None:
    client = await house.client(await house.open())
    said = await client.envelope("nobody@one.test", "gone@one.test", "x@elsewhere.test", "team@one.test")
    assert said == [
        SENDER_OK,
        "550 5.1.1 No such address here",
        "550 5.2.1 The mailbox is disabled",
        "550 5.7.1 Relaying denied",
        RECIPIENT_OK,
    ]


async def test_the_mx_never_relays_not_even_for_a_local_sender(house) -> None:
    client = await house.client(await house.open())
    said = await client.envelope("x@elsewhere.test", sender="ann@one.test")
    assert said == [SENDER_OK, "550 5.7.1 Relaying denied"]
    assert await client.ask("AUTH PLAIN AGFubkBvbmUudGVzdAByaWdodA==") == [
        "503 5.5.1 A mail transaction is in progress"
    ]
    await client.ask("RSET")
    assert await client.ask("AUTH PLAIN AGFubkBvbmUudGVzdAByaWdodA==") == [
        "502 5.5.1 Command not implemented"
    ]


async def test_dsn_parameters_reach_the_spool_as_received(house) -> None:
    client = await house.client(await house.open())
    said = await client.ask(
        "MAIL FROM:<x@there.test> RET=HDRS ENVID=QQ+2B1 BODY=8BITMIME SMTPUTF8",
        "RCPT TO:<Ann@One.TEST> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann@One.TEST",
    )
    assert said == [SENDER_OK, RECIPIENT_OK]
    await client.message("x")
    [accepted] = house.spool.accepted
    assert (accepted.ret, accepted.envid, accepted.smtputf8, accepted.body_type) == (
        "HDRS",
        "QQ+2B1",
        True,
        "8BITMIME",
    )
    [recipient] = accepted.recipients
    assert (recipient.notify, recipient.orcpt) == ("SUCCESS,DELAY", "rfc822;Ann@One.TEST")
    assert recipient.address == "Ann@one.test"
    assert "with UTF8SMTP id" in house.spool.prefix()


async def test_the_null_sender_is_kept(house) -> None:
    client = await house.client(await house.open())
    assert await client.envelope("ann@one.test", sender="") == [SENDER_OK, RECIPIENT_OK]
    await client.message("a bounce")
    assert house.spool.accepted[0].sender == ""


async def test_postmaster_needs_no_domain(house) -> None:
    client = await house.client(await house.open())
    said = await client.ask("MAIL FROM:<>", "RCPT TO:<Postmaster>")
    assert said == [SENDER_OK, RECIPIENT_OK]
    await client.message("x")
    [accepted] = house.spool.accepted
    assert [(each.address, each.tenant) for each in accepted.recipients] == [("postmaster@one.test", "one")]
    assert house.directory.hostname == "one.test"


async def test_without_any_domain_that_has_a_postmaster_there_is_none(house) -> None:
    house.directory.is_staffed = False
    client = await house.client(await house.open())
    said = await client.ask("MAIL FROM:<>", "RCPT TO:<postMASTER>")
    assert said == [SENDER_OK, "550 5.1.1 No domain here has a postmaster yet"]


async def test_a_cached_refusal_is_looked_up_again_before_it_is_said(house) -> None:
    house.directory.new["x@new.test"] = house.directory.look_up(Address("ann", "one.test"))
    client = await house.client(await house.open())
    said = await client.envelope("x@new.test", "x@remote.test", "ann@one.test")
    assert said == [SENDER_OK, RECIPIENT_OK, "550 5.7.1 Relaying denied", RECIPIENT_OK]
    assert [str(each) for each in house.directory.resolved] == ["x@new.test", "x@remote.test"]


async def test_an_address_that_cannot_exist_is_refused(house) -> None:
    client = await house.client(await house.open())
    assert await client.ask("MAIL FROM:<x@[999.1.1.1]>") == ["553 5.1.8 The sender's domain is not valid"]
    await client.ask("MAIL FROM:<>")
    assert await client.ask("RCPT TO:<x@[1.2.3]>") == ["553 5.1.2 The recipient's domain is not valid"]


async def test_recipients_that_the_cache_does_not_know_are_answered_in_order(house) -> None:
    house.directory.is_warm = False
    client = await house.client(await house.open())
    said = await client.envelope("ann@one.test", "nobody@one.test", "cat@two.test")
    assert said == [SENDER_OK, RECIPIENT_OK, "550 5.1.1 No such address here", RECIPIENT_OK]
    assert [str(each) for each in house.directory.resolved] == [
        "ann@one.test",
        "nobody@one.test",
        "cat@two.test",
    ]


async def test_a_directory_that_is_away_defers_the_recipient(house) -> None:
    house.directory.is_warm, house.directory.is_away = False, True
    client = await house.client(await house.open())
    assert (await client.envelope("ann@one.test"))[1] == str(replies.UNAVAILABLE)
    house.directory.is_away = False
    assert await client.ask("RCPT TO:<ann@one.test>") == [RECIPIENT_OK]


async def test_nothing_is_promised_before_the_spool_has_it(house, eventually) -> None:
    house.spool.is_holding = True
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    await client.ask("DATA")
    client.send(b"x\r\n.\r\nNOOP\r\n")
    await eventually(lambda: bool(house.spool.waiting))
    assert client.reader._buffer == b""
    house.spool.settle()
    assert (await client.reply())[:3] == "250"
    assert await client.reply() == "250 2.0.0 Ok"


async def test_a_message_that_cannot_be_stored_gets_451_and_the_connection_goes_on(house) -> None:
    house.spool.is_away = True
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    assert await client.message("x") == "451 4.3.0 Temporary server problem, please try again later"
    house.spool.is_away = False
    await client.envelope("ann@one.test")
    assert (await client.message("x"))[:3] == "250"


async def test_a_spool_that_breaks_off_gives_451(house, eventually) -> None:
    house.spool.is_holding = True
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    await client.ask("DATA")
    client.send(b"x\r\n.\r\n")
    await eventually(lambda: bool(house.spool.waiting))
    house.spool.waiting.pop().cancel()
    assert (await client.reply())[:3] == "451"


@pytest.mark.parametrize("refusal", [replies.DISK_FULL, replies.STORE_SLOW, replies.QUEUE_OLD])
async def test_under_pressure_senders_are_put_off(house, refusal) -> None:
    house.pressure.reply = refusal
    client = await house.client(await house.open())
    assert await client.ask("MAIL FROM:<x@there.test>") == [str(refusal)]
    assert refusal.is_transient
    house.pressure.reply = None
    assert await client.ask("MAIL FROM:<x@there.test>") == [SENDER_OK]


async def test_lmtp_takes_local_recipients_and_answers_for_each(house) -> None:
    client = await house.client(await house.open(ListenerName.LMTP), hello="LHLO gateway.test")
    said = await client.envelope("ann@one.test", "x@elsewhere.test", "cat@two.test")
    assert said == [SENDER_OK, RECIPIENT_OK, "550 5.7.1 Only local recipients are taken here", RECIPIENT_OK]
    assert (await client.message("x"))[:3] == "250"
    assert (await client.reply())[:3] == "250"
    assert house.spool.accepted[0].source == Source.LMTP
    assert "with LMTP id" in house.spool.prefix()


async def test_a_client_that_has_said_all_and_closed_its_side_is_still_answered(house, eventually) -> None:
    house.spool.is_holding = True
    client = await house.client(await house.open())
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<ann@one.test>\r\nDATA\r\nx\r\n.\r\n")
    client.writer.write_eof()
    await eventually(lambda: bool(house.spool.waiting))
    house.spool.settle()
    said = await client.reader.read()
    assert said.endswith(b"250 2.0.0 Ok: queued as spoolid0000000000001\r\n")


async def test_a_client_that_goes_before_its_250_loses_the_reply_only(house, eventually) -> None:
    house.spool.is_holding = True
    listener = await house.open()
    client = await house.client(listener)
    await client.envelope("ann@one.test")
    await client.ask("DATA")
    client.send(b"x\r\n.\r\n")
    await eventually(lambda: bool(house.spool.waiting))
    client.writer.transport.abort()
    house.spool.settle()
    await eventually(lambda: not listener._connections)
    assert len(house.spool.accepted) == 1
