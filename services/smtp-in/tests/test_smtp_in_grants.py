"""Mail from addresses that were granted to the login: as the address, or on behalf of it (RFC 5322 section 3.6.2)."""

import pytest

from mailyard.directory.grants import GrantKind
from mailyard.directory.policy import AuthorPolicy
from mailyard.smtp_in.submitted import SubmissionRules

OWN = "From: ann@one.test\r\n"
BOSS = "From: The Boss <boss@one.test>\r\n"
REST = "Date: Fri, 27 Nov 2026 16:00:00 +0000\r\nMessage-ID: <1@one.test>\r\n\r\nx"


@pytest.fixture(autouse=True)
def granted(service) -> None:
    service.logins.grants = {
        "office@one.test": GrantKind.SEND_AS,
        "boss@one.test": GrantKind.SEND_ON_BEHALF,
    }


async def submit(client, header: str, sender: str = "ann@one.test") -> str:
    assert (await client.envelope("x@elsewhere.test", sender=sender))[-1][:3] == "250"
    return await client.message(header + REST)


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        ("From: office@one.test\r\n", "ann@one.test"),
        ("From: office@one.test\r\n", "office@one.test"),
        (BOSS + "Sender: ann@one.test\r\n", "ann@one.test"),
        (BOSS + "Sender: office@one.test\r\n", "office@one.test"),
        ("From: boss@one.test, ann@one.test\r\nSender: team@one.test\r\n", "ann@one.test"),
        (OWN + "Resent-From: boss@one.test\r\nResent-Sender: ann@one.test\r\n", "ann@one.test"),
        (OWN + "Resent-From: office@one.test\r\n", "ann@one.test"),
    ],
)
async def test_granted_addresses_are_accepted_unchanged(service, header, sender) -> None:
    client = await service.submission()
    assert (await submit(client, header, sender))[:3] == "250"
    assert service.spool.stored().startswith(header.encode())
    assert "Sender" not in service.spool.prefix()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            BOSS,
            "550 5.7.1 From: boss@one.test may be used on behalf of its owner only: add Sender: ann@one.test",
        ),
        (
            OWN + "Resent-From: boss@one.test\r\n",
            "550 5.7.1 Resent-From: boss@one.test may be used on behalf of its owner only: add Resent-Sender: ann@one.test",
        ),
        (OWN + "Sender: boss@one.test\r\n", "550 5.7.1 Sender: boss@one.test is not an address of"),
        (BOSS + "Sender: boss@one.test\r\n", "550 5.7.1 Sender: boss@one.test is not an address of"),
        (BOSS + "Sender: cat@two.test\r\n", "550 5.7.1 Sender: cat@two.test is not an address of"),
        (BOSS + "Resent-Sender: ann@one.test\r\n", "550 5.7.1 From: boss@one.test may be used on behalf"),
        (
            "From: boss@one.test, cat@two.test\r\nSender: ann@one.test\r\n",
            "550 5.7.1 From: cat@two.test is not",
        ),
    ],
)
async def test_mail_on_behalf_of_an_address_needs_the_login_in_sender(service, header, said) -> None:
    client = await service.submission()
    assert (await submit(client, header)).startswith(said)
    assert service.spool.accepted == []


async def test_bounces_go_to_who_sends_so_on_behalf_is_no_reverse_path(service) -> None:
    client = await service.submission()
    [said] = await client.ask("MAIL FROM:<boss@one.test>")
    assert said.startswith("550 5.7.1 Sender address boss@one.test rejected")
    assert (await client.ask("MAIL FROM:<office@one.test>"))[0][:3] == "250"


async def test_where_fields_are_rewritten_a_missing_sender_is_added(service) -> None:
    service.rules = SubmissionRules(AuthorPolicy.REWRITE)
    client = await service.submission()
    assert (await submit(client, BOSS, "office@one.test"))[:3] == "250"
    assert service.spool.stored().startswith(BOSS.encode())
    assert "Sender: ann@one.test\r\n" in service.spool.prefix()


async def test_where_fields_are_rewritten_a_resent_field_without_sender_gets_the_login(service) -> None:
    service.rules = SubmissionRules(AuthorPolicy.REWRITE)
    client = await service.submission()
    assert (await submit(client, OWN + "Resent-From: boss@one.test\r\n"))[:3] == "250"
    assert b"Resent-From: ann@one.test\r\nX-Original-Resent-From: boss@one.test\r\n" in service.spool.stored()


async def test_a_removed_grant_counts_for_the_next_message(service) -> None:
    client = await service.submission()
    assert (await submit(client, "From: office@one.test\r\n"))[:3] == "250"
    service.logins.grants = {}
    assert (await submit(client, "From: office@one.test\r\n")).startswith(
        "550 5.7.1 From: office@one.test is not"
    )
