"""Submission: who one is, as whom one may send, and that mail goes anywhere then (RFC 6409, RFC 4954)."""

import base64

import pytest

from mailyard.directory.identity import RefusalReason
from mailyard.smtp_in.listeners import ListenerName
from mailyard.spool.acceptance import Source

RIGHT = "AUTH PLAIN " + base64.b64encode(b"\0ann@one.test\0right").decode()
WRONG = "AUTH PLAIN " + base64.b64encode(b"\0ann@one.test\0wrong").decode()


async def test_an_authenticated_sender_may_relay(house) -> None:
    client = await house.submission()
    said = await client.envelope("x@elsewhere.test", "cat@two.test", sender="ann@one.test")
    assert [line[:3] for line in said] == ["250", "250", "250"]
    assert (await client.message("x"))[:3] == "250"
    [accepted] = house.spool.accepted
    assert (accepted.source, accepted.tenant) == (Source.SUBMISSION, "one")
    assert [(each.address, each.tenant) for each in accepted.recipients] == [
        ("x@elsewhere.test", "one"),
        ("cat@two.test", "two"),
    ]
    assert accepted.client.login == "ann@one.test"
    assert "with ESMTPA id" in house.spool.prefix()


async def test_unknown_local_recipients_are_refused_here_too(house) -> None:
    client = await house.submission()
    said = await client.envelope("nobody@two.test", sender="ann@one.test")
    assert said[1] == "550 5.1.1 No such address here"


async def test_without_authentication_nothing_is_taken(house) -> None:
    client = await house.client(await house.open(ListenerName.SUBMISSION, plaintext_auth=True))
    assert await client.ask("MAIL FROM:<ann@one.test>") == ["530 5.7.0 Authentication required"]
    assert await client.ask(WRONG) == ["535 5.7.8 Authentication credentials invalid"]
    assert await client.ask("MAIL FROM:<ann@one.test>") == ["530 5.7.0 Authentication required"]
    assert house.logins.asked == [("ann@one.test", "127.0.0.1")]


async def test_in_clear_nobody_may_authenticate_unless_that_is_set(house) -> None:
    client = await house.client(await house.open(ListenerName.SUBMISSION))
    assert await client.ask(RIGHT) == ["538 5.7.11 Encryption required for the requested mechanism"]
    assert house.logins.asked == []


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (RefusalReason.BAD_CREDENTIALS, "535 5.7.8"),
        (RefusalReason.ACCOUNT_DISABLED, "525 5.7.13"),
        (RefusalReason.TOO_MANY_ATTEMPTS, "454 4.7.0"),
        (RefusalReason.UNAVAILABLE, "454 4.7.0"),
    ],
)
async def test_each_reason_to_refuse_a_login_has_its_reply(house, reason, said) -> None:
    house.logins.refusal = reason
    client = await house.client(await house.open(ListenerName.SUBMISSION, plaintext_auth=True))
    assert (await client.ask(WRONG))[0].startswith(said)


async def test_nobody_acts_as_another(house) -> None:
    client = await house.client(await house.open(ListenerName.SUBMISSION, plaintext_auth=True))
    response = base64.b64encode(b"bob@one.test\0ann@one.test\0right").decode()
    assert await client.ask(f"AUTH PLAIN {response}") == ["535 5.7.8 One account cannot act as another"]
    response = base64.b64encode(b"Ann@One.TEST\0ann@one.test\0right").decode()
    assert (await client.ask(f"AUTH PLAIN {response}"))[0][:3] == "235"


async def test_one_sends_as_oneself_or_as_an_alias_of_oneself_only(house) -> None:
    client = await house.submission()
    for sender, code in {
        "Ann@One.test": "250",
        "team@one.test": "250",
        "bob@one.test": "550",
        "x@there.test": "550",
    }.items():
        assert (await client.ask(f"MAIL FROM:<{sender}>"))[0][:3] == code, sender
        await client.ask("RSET")
    [said] = await client.ask("MAIL FROM:<bob@one.test>")
    assert said.startswith("550 5.7.1 Sender address bob@one.test rejected: not an address of ann@one.test;")
    assert await client.ask("MAIL FROM:<>") == ["250 2.1.0 Ok"]


async def test_who_cannot_be_checked_comes_back_later(house) -> None:
    client = await house.submission()
    house.logins.is_away = True
    assert (await client.ask("MAIL FROM:<team@one.test>"))[0][:3] == "451"


async def test_too_many_wrong_passwords_end_the_connection(house) -> None:
    client = await house.client(await house.open(ListenerName.SUBMISSION, plaintext_auth=True, errors=2))
    for _ in range(3):
        assert (await client.ask(WRONG))[0][:3] == "535"
    assert await client.reply() == "421 4.7.0 Too many errors, closing connection"
    assert await client.ended()
