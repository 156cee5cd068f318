"""Questions to a real DNS server: records, failures, the AD bit, and what is asked twice."""

import asyncio

import dns.rcode
import pytest

from mailyard.dns.answer import DnsAnswer, DnsFailure, HostAddresses, MailExchanger
from mailyard.dns.resolver import MAX_RECORDS, DnsOptions, DnsResolver
from tests.trial.nameserver import DnsServer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def resolver(server: DnsServer, clock: Clock) -> DnsResolver:
    return DnsResolver(DnsOptions(["127.0.0.1"], server.port, seconds=0.5), clock=clock)


async def test_records_come_in_presentation_format_and_a_text_is_one_text(
    server: DnsServer, resolver: DnsResolver
) -> None:
    server.add("a.example", "TXT", '"v=spf1 " "-all"')
    server.add("1.2.0.192.in-addr.arpa", "PTR", "mx.a.example.")
    assert await resolver.resolve("A.Example.", "TXT") == DnsAnswer(("v=spf1 -all",))
    assert await resolver.resolve("1.2.0.192.in-addr.arpa", "PTR") == DnsAnswer(("mx.a.example.",))


async def test_a_peek_returns_what_is_cached_and_asks_nobody(
    server: DnsServer, resolver: DnsResolver, clock: Clock
) -> None:
    server.add("a.example", "A", "192.0.2.1")
    assert resolver.resolve_cached("a.example", "A") is None
    assert server.asked == []
    await resolver.resolve("a.example", "A")
    await resolver.resolve("gone.example", "A")
    assert resolver.resolve_cached("A.Example.", "A") == DnsAnswer(("192.0.2.1",))
    assert resolver.resolve_cached("gone.example", "A") is DnsFailure.NO_DOMAIN
    clock.now = 61.0
    assert resolver.resolve_cached("a.example", "A") is None


@pytest.mark.parametrize("one_datagram", [False, True])
async def test_an_answer_that_was_cut_is_asked_for_over_tcp_unless_one_datagram_is_the_limit(
    server: DnsServer, one_datagram: bool
) -> None:
    connected = 0

    async def cut_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        writer.close()

    server.truncates = True
    server.add("a.example", "A", "192.0.2.1")
    async with await asyncio.start_server(cut_off, "127.0.0.1", server.port):
        options = DnsOptions(["127.0.0.1"], server.port, seconds=2.0, one_datagram=one_datagram)
        assert await DnsResolver(options).resolve("a.example", "A") is DnsFailure.UNANSWERED
    assert (connected > 0) is not one_datagram
    assert len(server.asked) == 1


async def test_short_answers_come_where_one_datagram_is_the_limit(server: DnsServer) -> None:
    server.add("a.example", "A", "192.0.2.1")
    resolver = DnsResolver(DnsOptions(["127.0.0.1"], server.port, seconds=2.0, one_datagram=True))
    assert await resolver.resolve("a.example", "A") == DnsAnswer(("192.0.2.1",))


async def test_mail_exchangers_have_a_preference_and_a_host_in_lower_case(
    server: DnsServer, resolver: DnsResolver
) -> None:
    server.add("a.example", "MX", "10 MX.a.example.", "20 .")
    found = await resolver.mail_exchangers("a.example")
    assert isinstance(found, DnsAnswer)
    assert set(found.records) == {MailExchanger(10, "mx.a.example"), MailExchanger(20, "")}


async def test_addresses_of_both_families_are_asked_for(server: DnsServer, resolver: DnsResolver) -> None:
    server.add("a.example", "A", "192.0.2.1")
    server.add("a.example", "AAAA", "2001:db8::1")
    assert await resolver.addresses("a.example") == HostAddresses(("192.0.2.1", "2001:db8::1"))
    assert await resolver.addresses("gone.example") == HostAddresses(())


async def test_addresses_are_not_complete_when_one_family_is_not_answered(
    server: DnsServer, resolver: DnsResolver
) -> None:
    server.add("a.example", "A", "192.0.2.1")
    server.break_("a.example", "AAAA", dns.rcode.SERVFAIL)
    assert await resolver.addresses("a.example") == HostAddresses(("192.0.2.1",), complete=False)


async def test_each_failure_has_its_own_value(server: DnsServer, resolver: DnsResolver) -> None:
    server.add("a.example", "A", "192.0.2.1")
    server.break_("refused.example", "MX", dns.rcode.REFUSED)
    server.break_("silent.example", "MX", None)
    assert await resolver.resolve("gone.example", "MX") is DnsFailure.NO_DOMAIN
    assert await resolver.resolve("a.example", "MX") is DnsFailure.NO_RECORD
    assert await resolver.resolve("refused.example", "MX") is DnsFailure.UNANSWERED
    assert await resolver.resolve("silent.example", "MX") is DnsFailure.UNANSWERED
    assert await resolver.resolve("x" * 64 + ".example", "MX") is DnsFailure.NO_DOMAIN


async def test_an_answer_says_whether_the_server_validated_it(
    server: DnsServer, resolver: DnsResolver
) -> None:
    server.add("a.example", "A", "192.0.2.1")
    server.add("b.example", "A", "192.0.2.2")
    assert await resolver.resolve("a.example", "A") == DnsAnswer(("192.0.2.1",), authenticated=False)
    server.authenticates = True
    assert await resolver.resolve("b.example", "A") == DnsAnswer(("192.0.2.2",), authenticated=True)
    server.add("b.example", "MX", "10 a.example.")
    found = await resolver.mail_exchangers("b.example")
    assert isinstance(found, DnsAnswer)
    assert found.authenticated


async def test_an_answer_is_used_again_for_its_time_to_live(
    server: DnsServer, resolver: DnsResolver, clock: Clock
) -> None:
    server.add("a.example", "A", "192.0.2.1")
    for _ in range(2):
        await resolver.resolve("a.example", "A")
    assert len(server.asked) == 1
    clock.now = 60.0
    await resolver.resolve("a.example", "A")
    assert len(server.asked) == 2


async def test_a_time_to_live_of_zero_is_not_kept(server: DnsServer, resolver: DnsResolver) -> None:
    server.ttl = 0
    server.add("a.example", "A", "192.0.2.1")
    for _ in range(2):
        await resolver.resolve("a.example", "A")
    assert len(server.asked) == 2


async def test_a_name_that_does_not_exist_is_remembered_for_a_quarter_of_an_hour_at_most(
    server: DnsServer, resolver: DnsResolver, clock: Clock
) -> None:
    for _ in range(2):
        assert await resolver.resolve("gone.example", "A") is DnsFailure.NO_DOMAIN
    assert len(server.asked) == 1
    clock.now = 900.0
    server.add("gone.example", "A", "192.0.2.1")
    assert await resolver.resolve("gone.example", "A") == DnsAnswer(("192.0.2.1",))


async def test_an_answer_is_kept_for_a_day_at_most(
    server: DnsServer, resolver: DnsResolver, clock: Clock
) -> None:
    server.ttl = 2**31 - 1  # RFC 2181 section 8: the largest time to live
    server.add("a.example", "A", "192.0.2.1")
    for now, asked in ((0.0, 1), (86_399.0, 1), (86_400.0, 2)):
        clock.now = now
        assert await resolver.resolve("a.example", "A") == DnsAnswer(("192.0.2.1",))
        assert len(server.asked) == asked


async def test_a_question_for_mail_exchangers_fails_like_any_other(resolver: DnsResolver) -> None:
    assert await resolver.mail_exchangers("gone.example") is DnsFailure.NO_DOMAIN


async def test_no_answer_is_not_remembered(server: DnsServer, resolver: DnsResolver) -> None:
    server.break_("a.example", "A", dns.rcode.SERVFAIL)
    assert await resolver.resolve("a.example", "A") is DnsFailure.UNANSWERED
    server.add("a.example", "A", "192.0.2.1")
    assert await resolver.resolve("a.example", "A") == DnsAnswer(("192.0.2.1",))


async def test_thousands_of_records_are_cut_and_not_kept(server: DnsServer, clock: Clock) -> None:
    resolver = DnsResolver(DnsOptions(["127.0.0.1"], server.port, seconds=10.0), clock=clock)
    server.add("many.example", "A", *(f"203.0.{n // 250}.{n % 250 + 1}" for n in range(3000)))
    for _ in range(2):
        assert len((await resolver.addresses("many.example")).addresses) == MAX_RECORDS
    assert server.asked.count(("many.example", "A")) == 2
    assert server.asked.count(("many.example", "AAAA")) == 1


async def test_a_machine_without_dns_servers_gets_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(self: object, path: str) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.asyncresolver.Resolver.read_resolv_conf", unreadable)
    assert await DnsResolver(DnsOptions()).resolve("a.example", "A") is DnsFailure.UNANSWERED
