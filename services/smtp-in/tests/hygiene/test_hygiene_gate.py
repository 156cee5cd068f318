"""Checks in the dialogue: modes of listener, tenant and domain, findings, refusals, and what an outage does."""

import asyncio
from ipaddress import ip_network

import dns.rcode
import pytest
from prometheus_client import REGISTRY

from mailyard.directory.policy import DomainPolicy, HygieneMode
from mailyard.smtp_in.hygiene.build import hygiene_hooks
from mailyard.smtp_in.hygiene.settings import HygieneSettings
from mailyard.smtp_in.listeners import ListenerName
from mailyard.smtp_in.settings import SmtpInSettings

LISTED = "550 5.7.1 Client host [127.0.0.1] is listed by bl.test; see the web site of the list"
OK = "250 2.1.5 Ok"


def list_client(dns_server, *records: str, zone: str = "bl.test") -> None:
    dns_server.add(f"1.0.0.127.{zone}", "A", *(records or ("127.0.0.2",)))


def counted(check: str, outcome: str) -> float:
    labels = {"listener": "mx", "check": check, "outcome": outcome}
    return REGISTRY.get_sample_value("mailyard_smtp_in_hygiene_total", labels) or 0.0


async def test_without_a_listener_there_are_no_hooks(policies) -> None:
    hooks = hygiene_hooks(HygieneSettings(), "mail.one.test", policies, None)
    assert (hooks.first, hooks.last) == ((), ())


async def test_a_listed_client_is_refused_at_rcpt_and_the_reply_names_the_list(
    service, hygiene, dns_server
) -> None:
    list_client(dns_server)
    hygiene(dnsbl="refuse", dnsbl_lists=("bl.test",))
    before = counted("dnsbl", "refused")
    client = await service.client(await service.open())
    assert await client.envelope("ann@one.test", "bob@one.test") == ["250 2.1.0 Ok", LISTED, LISTED]
    assert counted("dnsbl", "refused") == before + 2
    assert service.spool.accepted == []


async def test_a_noted_concern_goes_with_the_message_once_and_into_its_timeline(
    service, hygiene, dns_server
) -> None:
    list_client(dns_server)
    hygiene(dnsbl="mx:note", dnsbl_lists=("bl.test",))
    client = await service.client(await service.open())
    for _ in range(2):
        assert await client.envelope("ann@one.test", "bob@one.test") == ["250 2.1.0 Ok", OK, OK]
        await client.message("x")
    for accepted in service.spool.accepted:
        [found] = accepted.findings
        assert (found.check, found.rule) == ("dnsbl", "bl.test")
        text = "127.0.0.1 is listed: bl.test=127.0.0.2, score 1"
        assert found.text == text
        assert ("message.finding", f"dnsbl/bl.test: {text}") in accepted.steps


@pytest.mark.parametrize(
    "records", [["127.255.255.254"], ["127.255.255.252", "127.255.255.255"], ["198.51.100.1"]]
)
async def test_errors_of_a_list_are_no_hits(service, hygiene, dns_server, records) -> None:
    list_client(dns_server, *records)
    hygiene(dnsbl="refuse", dnsbl_lists=("bl.test",))
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test"))[1] == OK


@pytest.mark.parametrize("how", [None, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_an_outage_of_the_dns_refuses_nothing(service, hygiene, dns_server, how) -> None:
    for name in ("1.0.0.127.bl.test", "1.0.0.127.in-addr.arpa", "client.test"):
        for kind in ("A", "AAAA", "MX", "PTR"):
            dns_server.break_(name, kind, how)
    hygiene(
        dnsbl="refuse",
        dnsbl_lists=("bl.test",),
        client_name="refuse",
        helo_check="refuse",
        helo_rules=("unresolvable",),
    )
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test"))[1] == OK


async def test_weights_of_lists_add_up_and_an_allowlist_outweighs(service, hygiene, dns_server) -> None:
    list_client(dns_server)
    list_client(dns_server, "127.0.0.9", zone="other.test")
    hygiene(dnsbl="refuse", dnsbl_threshold=3, dnsbl_lists=("bl.test*2", "other.test=127.0.0.9"))
    client = await service.client(await service.open())
    assert "is listed by bl.test, other.test;" in (await client.envelope("ann@one.test"))[1]
    list_client(dns_server, "127.0.5.1", zone="wl.test")
    hygiene(dnsbl="refuse", dnsbl_lists=("bl.test*2", "other.test=127.0.0.9", "wl.test*-5"))
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test"))[1] == OK


async def test_a_domain_has_its_own_mode_and_the_listener_decides_for_others(
    service, hygiene, dns_server, policies
) -> None:
    list_client(dns_server)
    policies.known["two.test"] = DomainPolicy(dnsbl=HygieneMode.OFF)
    hygiene(dnsbl="refuse", dnsbl_lists=("bl.test",))
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test", "cat@two.test"))[1:] == [LISTED, OK]
    policies.known["two.test"] = DomainPolicy(dnsbl=HygieneMode.REFUSE)
    hygiene(dnsbl="off", dnsbl_lists=("bl.test",))
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test", "cat@two.test"))[1:] == [OK, LISTED]


@pytest.mark.parametrize("is_unreachable", [False, True])
async def test_a_policy_that_is_not_cached_is_awaited_and_an_outage_leaves_the_settings(
    service, hygiene, dns_server, policies, is_unreachable
) -> None:
    list_client(dns_server)
    policies.is_warm, policies.is_unreachable = False, is_unreachable
    policies.known["two.test"] = DomainPolicy(dnsbl=HygieneMode.OFF)
    hygiene(dnsbl="refuse", dnsbl_lists=("bl.test",))
    client = await service.client(await service.open())
    said = await client.envelope("ann@one.test", "cat@two.test")
    assert said[1:] == [LISTED, LISTED if is_unreachable else OK]


async def test_a_check_that_only_a_tenant_has_on_is_asked_at_rcpt(
    service, hygiene, dns_server, policies
) -> None:
    policies.known["two.test"] = DomainPolicy(client_name=HygieneMode.REFUSE)
    hygiene()
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test"))[1] == OK
    assert dns_server.asked == []
    await client.ask("RSET")
    said = await client.envelope("cat@two.test", "cat@two.test")
    refusal = "550 5.7.25 Client host [127.0.0.1] has no name in the DNS; fix its reverse DNS"
    assert said[1:] == [refusal, refusal]
    assert dns_server.asked == [("1.0.0.127.in-addr.arpa", "PTR")]


async def test_trusted_networks_other_listeners_and_logins_are_not_judged(
    service, hygiene, dns_server
) -> None:
    list_client(dns_server)
    given = {"dnsbl": "refuse", "dnsbl_lists": ("bl.test",), "helo_check": "refuse"}
    hygiene(hygiene_trusted_networks=(ip_network("127.0.0.0/8"),), **given)
    client = await service.client(await service.open(), "EHLO localhost")
    assert (await client.envelope("ann@one.test"))[1] == OK
    hygiene(**given)
    lmtp = await service.client(await service.open(ListenerName.LMTP), "LHLO localhost")
    assert (await lmtp.envelope("ann@one.test"))[1] == OK
    hygiene(hygiene_listeners=("submission",), **given)
    login = await service.submission()
    assert (await login.envelope("bob@one.test", sender="ann@one.test"))[1] == OK
    assert dns_server.asked == [
        ("1.0.0.127.bl.test", "A")
    ]  # of the submission client, before it had logged in


async def test_a_confirmed_name_is_in_the_received_field_and_in_the_origin(
    service, hygiene, dns_server
) -> None:
    dns_server.add("1.0.0.127.in-addr.arpa", "PTR", "forged.test.", "mx.there.test.")
    dns_server.add("forged.test", "A", "192.0.2.1")
    dns_server.add("mx.there.test", "A", "192.0.2.9", "127.0.0.1")
    hygiene(client_name="refuse")
    client = await service.client(await service.open())
    await client.envelope("ann@one.test")
    await client.message("x")
    [accepted] = service.spool.accepted
    assert accepted.client.host == "mx.there.test"
    assert "(mx.there.test [127.0.0.1])" in service.spool.prefix()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "has no name in the DNS"),
        (["forged.test."], "has the name forged.test, which has other addresses"),
        (["a\\032b\\.c."], "has no host name"),
        (["x.test\\013\\010.evil.test."], "has no host name"),
    ],
)
async def test_a_client_without_a_confirmed_name_is_refused(
    service, hygiene, dns_server, names, problem
) -> None:
    dns_server.add("forged.test", "A", "192.0.2.1")
    if names:
        dns_server.add("1.0.0.127.in-addr.arpa", "PTR", *names)
    hygiene(client_name="refuse")
    client = await service.client(await service.open())
    assert (await client.envelope("ann@one.test"))[1] == (
        f"550 5.7.25 Client host [127.0.0.1] {problem}; fix its reverse DNS"
    )


@pytest.mark.parametrize(
    ("helo", "refusal"),
    [
        ("localhost", "550 5.7.1 HELO name localhost is no fully qualified host name"),
        ("MAIL.one.test", "550 5.7.1 HELO name mail.one.test is the name of this server"),
        ("127.0.0.1", "550 5.7.1 HELO name 127.0.0.1 is an address without brackets"),
        ("gone.test", "550 5.7.1 HELO name gone.test does not exist in the DNS"),
        ("mx.there.test", OK),
        ("[127.0.0.1]", OK),
    ],
)
async def test_a_name_in_helo_that_breaks_a_rule_is_refused(
    service, hygiene, dns_server, helo, refusal
) -> None:
    dns_server.add("mx.there.test", "AAAA", "2001:db8::1")
    hygiene(helo_check="refuse", helo_rules=("syntax", "own-name", "bare-address", "unresolvable"))
    client = await service.client(await service.open(), f"EHLO {helo}")
    assert (await client.envelope("ann@one.test"))[1] == refusal


async def test_a_better_name_takes_the_place_of_a_bad_one(service, hygiene) -> None:
    hygiene(helo_check="refuse")
    client = await service.client(await service.open(), "HELO localhost")
    assert (await client.envelope("ann@one.test"))[1][:3] == "550"
    await client.ask("EHLO mx.there.test")
    assert (await client.envelope("ann@one.test"))[1] == OK


async def test_bounces_to_addresses_that_never_send_are_refused(service, hygiene, policies) -> None:
    policies.known["one.test"] = DomainPolicy(never_sends=("bob",))
    policies.known["two.test"] = DomainPolicy(never_sends=("*",), null_sender=HygieneMode.NOTE)
    hygiene()
    client = await service.client(await service.open())
    refusal = "550 5.7.1 This address sends no mail, so it takes no bounces"
    said = await client.envelope(
        "ann@one.test", "bob@one.test", "cat@two.test", "postmaster@one.test", sender=""
    )
    assert said[1:] == [OK, refusal, OK, OK]
    await client.message("x")
    assert [each.check for each in service.spool.accepted[0].findings] == ["null_sender"]
    assert (await client.envelope("bob@one.test"))[1] == OK


async def test_a_client_that_speaks_before_the_greeting_is_noticed(service, hygiene, eventually) -> None:
    hygiene(greeting_seconds=0.2, early_talker="refuse")
    listener = await service.open()
    early = await service.client(listener, "")
    early.send(b"EHLO early.test\r\n")
    assert (await early.reply())[:3] == "220"
    assert (await early.reply())[:3] == "250"
    assert (await early.envelope("ann@one.test"))[1] == (
        "550 5.5.0 The client spoke before it was greeted (RFC 5321 section 4.3.1)"
    )
    polite = await service.client(listener)
    assert (await polite.envelope("ann@one.test"))[1] == OK


async def test_a_client_that_leaves_before_the_greeting_leaves_nothing_behind(
    service, hygiene, eventually
) -> None:
    hygiene(greeting_seconds=5.0, early_talker="refuse")
    listener = await service.open()
    client = await service.client(listener, "")
    client.send(b"x" * 100_000)
    await eventually(lambda: service.memory.held > 0)
    client.reset()
    await eventually(lambda: service.memory.held == 0)


async def test_what_is_known_costs_no_task(service, hygiene, dns_server, monkeypatch) -> None:
    dns_server.add("1.0.0.127.in-addr.arpa", "PTR", "mx.there.test.")
    dns_server.add("mx.there.test", "A", "127.0.0.1")
    hygiene(
        dnsbl="refuse", dnsbl_lists=("bl.test", "wl.test*-1"), client_name="note", helo_check="refuse",
        helo_rules=("syntax", "unresolvable"), client_limits="refuse", recipient_probing="refuse",
    )  # fmt: skip
    dns_server.add("client.test", "A", "192.0.2.1")
    listener = await service.open()
    await (await service.client(listener)).envelope("ann@one.test")
    asked = len(dns_server.asked)
    made: list[object] = []
    create = asyncio.create_task
    monkeypatch.setattr(
        "mailyard.smtp_in.receiver.asyncio.create_task", lambda work: made.append(work) or create(work)
    )
    client = await service.client(listener)
    assert (await client.envelope("ann@one.test", "bob@one.test"))[1:] == [OK, OK]
    assert made == []
    assert len(dns_server.asked) == asked


def test_the_service_reads_the_settings(monkeypatch) -> None:
    monkeypatch.setenv("MAILYARD_SMTP_IN_HYGIENE_LISTENERS", "mx,submission")
    monkeypatch.setenv("MAILYARD_SMTP_IN_DNSBL", "mx:refuse,submission:note")
    monkeypatch.setenv("MAILYARD_SMTP_IN_DNSBL_LISTS", "zen.example=127.0.0.[2..11;13]*2,wl.example*-3")
    monkeypatch.setenv("MAILYARD_SMTP_IN_GREYLISTING_KNOWN_NETWORKS", "192.0.2.0/24,2001:db8::/32")
    settings = SmtpInSettings()
    assert settings.dnsbl_lists == ("zen.example=127.0.0.[2..11;13]*2", "wl.example*-3")
    assert len(settings.greylisting_known_networks) == 2
