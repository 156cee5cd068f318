"""What users submit: its authors are the login's own addresses, and what it lacks is added (RFC 6409)."""

import re

import pytest
from structlog.testing import capture_logs

from mailyard.directory.policy import AuthorPolicy
from mailyard.smtp_in.submitted import SubmissionRules

OWN = "From: Ann <ann@one.test>\r\n"
REST = "Date: Fri, 27 Nov 2026 16:00:00 +0000\r\nMessage-ID: <1@one.test>\r\nSubject: x\r\n\r\nx"
NOT_HERS = "is not an address of ann@one.test: use ann@one.test or one of its aliases"


async def submit(house, client, text: str, sender: str = "ann@one.test") -> str:
    assert (await client.envelope("x@elsewhere.test", sender=sender))[-1][:3] == "250"
    return await client.message(text)


@pytest.mark.parametrize("sender", ["ann@one.test", "team@one.test", ""])
@pytest.mark.parametrize(
    "header",
    [
        OWN,
        "FROM : ANN@One.Test\r\n",
        "From: ann@one.test (Ann)\r\n",
        "From: The Team <team@one.test>\r\nSender: ann@one.test\r\n",
        "From: ann@one.test, team@one.test\r\nSender: ann@one.test\r\n",
        OWN + "Resent-From: team@one.test\r\nResent-Sender: ann@one.test\r\nResent-From: ann@one.test\r\n",
        "From: =?utf-8?Q?=E1=BB=99?=\r\n <ann@one.test>\r\n",
    ],
    ids=range(7),
)
@pytest.mark.parametrize("is_warm", [True, False])
async def test_own_addresses_and_aliases_may_stand_in_originator_fields(
    house, header, sender, is_warm
) -> None:
    house.directory.is_warm = is_warm
    client = await house.submission()
    assert (await submit(house, client, header + REST, sender))[:3] == "250"
    assert house.spool.stored() == (header + REST).encode() + b"\r\n"
    assert house.spool.prefix().count("\r\n") == 1


@pytest.mark.parametrize("sender", ["ann@one.test", ""])
@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("From: CEO <bob@one.test>\r\n", "550 5.7.1 From: bob@one.test " + NOT_HERS),
        ("From: <cat@two.test>\r\n", "550 5.7.1 From: cat@two.test " + NOT_HERS),
        ("From : x@elsewhere.test\r\n", "550 5.7.1 From: x@elsewhere.test " + NOT_HERS),
        ("FROM:\r\n <x@elsewhere.test>\r\n", "550 5.7.1 From: x@elsewhere.test " + NOT_HERS),
        (OWN + "Sender: cat@two.test\r\n", "550 5.7.1 Sender: cat@two.test " + NOT_HERS),
        (OWN + "Resent-From: cat@two.test\r\n", "550 5.7.1 Resent-From: cat@two.test " + NOT_HERS),
        (OWN + "Resent-Sender: cat@two.test\r\n", "550 5.7.1 Resent-Sender: cat@two.test " + NOT_HERS),
        ("From: ann@one.test, cat@two.test\r\n", "550 5.7.1 From: cat@two.test " + NOT_HERS),
        ("From: cat@two.test, ann@one.test\r\nSender: ann@one.test\r\n", "550 5.7.1 From: cat@two.test " + NOT_HERS),
        (OWN + OWN, "550 5.6.0 The message has more than one From field: send only one"),
        (OWN + "X: y\r\nfrom : ann@one.test\r\n", "550 5.6.0 The message has more than one From field"),
        ("From: Friends: ann@one.test;\r\n", "550 5.6.0 From cannot be read: it holds a group"),
        ("From: ann(x)@one.test\r\n", "550 5.6.0 From cannot be read"),
        ("From: cat@two.test <ann@one.test>\r\n", "550 5.6.0 From cannot be read: a display name holds another"),
        ("From:\r\n", "550 5.6.0 From cannot be read: it holds no address. Write From: ann@one.test"),
        ("From: =?utf-8?Q?cat=40two.test?= <>\r\n", "550 5.6.0 From cannot be read"),
        ("From: " + "ann@one.test," * 30 + "ann@one.test\r\n", "550 5.6.0 From cannot be read: it holds more than 20"),
        ("X: " + "y" * 300_000 + "\r\n" + OWN, "552 5.3.4 The header section is larger than 262144 octets"),
        ("X: y\r\n" * 50_000 + "From: cat@two.test\r\n", "552 5.3.4 The header section has more than 2000 fields"),
        ("X: {}\r\n".format("y" * 500) * 1000 + OWN, "552 5.3.4 The header section is larger than 262144 octets"),
    ],
    ids=range(20),
)  # fmt: skip
async def test_addresses_of_others_and_ambiguous_fields_are_refused(
    house, header, said, sender, is_warm
) -> None:
    house.directory.is_warm = is_warm
    client = await house.submission()
    with capture_logs() as logs:
        assert (await submit(house, client, header + REST, sender)).startswith(said)
    [refused] = [line for line in logs if line["event"] == "smtp_in.refused"]
    assert (refused["login"], len(refused["account"])) == ("ann@one.test", 24)
    assert house.spool.accepted == []
    assert (await submit(house, client, OWN + REST))[:3] == "250"


async def test_a_from_behind_text_is_text_and_does_not_name_the_author(house) -> None:
    client = await house.submission()
    assert (await submit(house, client, OWN + "damage\r\nFrom: cat@two.test\r\n\r\nx"))[:3] == "250"
    assert house.spool.stored().startswith(OWN.encode() + b"\r\ndamage\r\nFrom: cat@two.test\r\n")


async def test_more_addresses_than_the_directory_should_be_asked_for_are_refused(house) -> None:
    client = await house.submission()
    resent = "".join(f"Resent-From: a{number}@one.test\r\n" for number in range(51))
    assert (await submit(house, client, OWN + resent + REST)).startswith(
        "550 5.6.0 From, Sender and the Resent"
    )
    assert house.directory.resolved == []


async def test_replies_about_authors_are_ascii(house) -> None:
    client = await house.submission()
    said = await submit(house, client, "From: ann@\u2665.test\r\n" + REST)
    assert said[:9] == "550 5.6.0"
    assert said.isascii()


async def test_a_directory_that_is_unreachable_defers_and_does_not_let_pass(house) -> None:
    house.logins.is_away = True
    client = await house.submission()
    assert (await submit(house, client, "From: team@one.test\r\n" + REST))[:3] == "451"
    assert (await submit(house, client, "From: team@one.test\r\n\r\n" + "y" * 400_000))[:3] == "451"
    assert house.spool.accepted == []


async def test_a_refused_author_of_a_long_message_leaves_nothing_in_the_store(house) -> None:
    house.directory.is_warm = False
    client = await house.submission()
    assert (await submit(house, client, "From: cat@two.test\r\n\r\n" + "y\r\n" * 200_000))[:7] == "550 5.7"
    assert all(stream.is_aborted for stream in house.bodies.streams)
    assert (await submit(house, client, OWN + "\r\n" + "y\r\n" * 200_000))[:3] == "250"
    assert bytes(house.bodies.streams[-1].octets) == OWN.encode() + b"\r\n" + b"y\r\n" * 200_000 + b"\r\n"


async def test_where_it_is_set_foreign_authors_are_rewritten_and_kept_beside(house) -> None:
    house.rules = SubmissionRules(AuthorPolicy.REWRITE)
    client = await house.submission()
    text = "From: CEO\r\n <cat@two.test>\r\nSender: bob@one.test\r\nResent-From: team@one.test\r\n" + REST
    assert (await submit(house, client, text, "team@one.test"))[:3] == "250"
    assert house.spool.stored().decode() == (
        "From: ann@one.test\r\nX-Original-From: CEO\r\n <cat@two.test>\r\n"
        "Sender: ann@one.test\r\nX-Original-Sender: bob@one.test\r\nResent-From: team@one.test\r\n"
        + REST
        + "\r\n"
    )
    assert (await submit(house, client, OWN + OWN + REST))[:9] == "550 5.6.0"
    assert (await submit(house, client, "From: Doe, Ann <ann@one.test>\r\n" + REST))[:9] == "550 5.6.0"


async def test_log_and_timeline_say_what_a_rewritten_author_claimed_and_became(house) -> None:
    house.rules = SubmissionRules(AuthorPolicy.REWRITE)
    client = await house.submission()
    text = "From: CEO <cat@two.test>, x@two.test\r\nSender: bob@one.test\r\n" + REST
    with capture_logs() as logs:
        assert (await submit(house, client, text))[:3] == "250"
        assert (await submit(house, client, OWN + REST))[:3] == "250"
    first, second = house.spool.accepted
    assert first.steps == (
        ("message.author_rewritten", "From: cat@two.test, x@two.test became ann@one.test"),
        ("message.author_rewritten", "Sender: bob@one.test became ann@one.test"),
    )
    assert second.steps == ()
    noted = [each for each in logs if each["event"] == "message.author_rewritten"]
    assert [(each["field"], each["claimed"], each["became"]) for each in noted] == [
        ("From", "cat@two.test, x@two.test", "ann@one.test"),
        ("Sender", "bob@one.test", "ann@one.test"),
    ]
    assert all(each["login"] == "ann@one.test" and each["spool_id"].startswith("spoolid") for each in noted)


async def test_where_it_is_set_foreign_authors_are_allowed(house) -> None:
    house.rules = SubmissionRules(AuthorPolicy.ALLOW)
    client = await house.submission()
    text = "From: CEO <cat@two.test>\r\nSender: what is this\r\n" + REST
    assert (await submit(house, client, text))[:3] == "250"
    assert house.spool.stored() == text.encode() + b"\r\n"


async def test_what_a_message_lacks_is_added_before_it(house) -> None:
    client = await house.submission()
    assert (await submit(house, client, "Subject: x\r\n\r\nx", "team@one.test"))[:3] == "250"
    assert re.search(
        r"\+0000\r\nMessage-ID: <spoolid@mail\.one\.test>\r\nDate: Mon, 23 Nov 2026 15:00:00 \+0000\r\n"
        r"From: team@one\.test\r\n\Z",
        house.spool.prefix(),
    )
    assert house.spool.stored() == b"Subject: x\r\n\r\nx\r\n"


@pytest.mark.parametrize(
    ("text", "stored"),
    [("only text", b"\r\nonly text\r\n"), ("Subject: x", b"Subject: x\r\n\r\n"), ("", b"\r\n"), (" x", b"\r\n x\r\n")],
)  # fmt: skip
async def test_text_without_a_header_section_gets_a_whole_one(house, text, stored) -> None:
    client = await house.submission()
    assert (await submit(house, client, text, ""))[:3] == "250"
    assert house.spool.stored() == stored
    assert house.spool.prefix().endswith("From: ann@one.test\r\n")


async def test_several_authors_need_a_sender_and_get_one(house) -> None:
    client = await house.submission()
    assert (await submit(house, client, "From: ann@one.test, team@one.test\r\n" + REST))[:3] == "250"
    assert house.spool.prefix().endswith("Sender: ann@one.test\r\n")


async def test_fields_that_must_not_leave_are_removed_and_the_text_stays(house) -> None:
    client = await house.submission()
    text = (
        "Bcc: secret@z.test,\r\n\tmore@z.test\r\nReturn-Path: <a@b>\r\n"
        + OWN
        + "BCC : y\r\nResent-Bcc: z\r\n"
        "Content-Length: 5\r\nAuthentication-Results: mail.one.test; dkim=pass\r\n"
        + REST
        + "\r\nBcc: in the text"
    )
    assert (await submit(house, client, text))[:3] == "250"
    assert house.spool.stored() == (OWN + REST).encode() + b"\r\nBcc: in the text\r\n"


async def test_loops_end_at_submission_too(house) -> None:
    client = await house.submission()
    assert (await submit(house, client, "Received: x\r\n" * 101 + OWN + REST))[:9] == "554 5.4.6"
