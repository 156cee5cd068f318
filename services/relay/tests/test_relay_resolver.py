"""MX, addresses, and what their absence means (RFC 5321 section 5.1, RFC 7505), asked of a real DNS server."""

import ipaddress
import random
from collections.abc import Callable

import dns.rcode
import pytest

from mailyard.dns.resolver import MAX_RECORDS, DnsOptions, DnsResolver
from mailyard.relay.destination import Destination, Host, Unroutable
from mailyard.relay.nexthop import NextHop, Policy, Routing
from mailyard.relay.resolver import Resolver, ResolverOptions
from mailyard.smtp.client import Security

MakeResolver = Callable[..., Resolver]


@pytest.fixture
def resolver(dns_server) -> MakeResolver:
    def make(routing: Routing | None = None, **options) -> Resolver:
        return Resolver(
            routing or Routing({}, {}, {}),
            DnsResolver(DnsOptions(["127.0.0.1"], dns_server.port, options.get("seconds", 2.0))),
            ResolverOptions(
                seconds=options.pop("seconds", 2.0),
                dice=random.Random(7),
                **options,
            ),
        )

    return make


def names(found: Destination | Unroutable) -> list[str]:
    assert isinstance(found, Destination), found
    return [host.name for host in found.hosts]


def reply(found: Destination | Unroutable) -> str:
    assert isinstance(found, Unroutable), found
    return f"{found.reply.code} {found.reply.enhanced}"


async def test_hosts_come_in_order_of_preference(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "20 b.example.", "10 A.example.")
    dns_server.add("a.example", "A", "192.0.2.1")
    dns_server.add("b.example", "A", "192.0.2.2")
    found = await resolver().destination("example.org")
    assert found == Destination(
        (Host("a.example", 25, ("192.0.2.1",)), Host("b.example", 25, ("192.0.2.2",))), Policy()
    )


async def test_a_host_has_addresses_of_both_families(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "192.0.2.1", "192.0.2.2")
    dns_server.add("a.example", "AAAA", "2001:db8::1")
    found = await resolver().destination("example.org")
    assert isinstance(found, Destination)
    assert sorted(found.hosts[0].addresses) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


async def test_without_mx_the_domain_is_its_own_host(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "A", "192.0.2.1")
    assert names(await resolver().destination("example.org")) == ["example.org"]


async def test_a_domain_that_does_not_exist_fails(resolver: MakeResolver) -> None:
    assert reply(await resolver().destination("nowhere.example")) == "550 5.1.2"


async def test_a_domain_with_neither_mx_nor_address_fails(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "TXT", '"v=spf1 -all"')
    assert reply(await resolver().destination("example.org")) == "550 5.4.4"


async def test_a_null_mx_fails(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "0 .")
    assert reply(await resolver().destination("example.org")) == "556 5.1.10"


async def test_an_alias_is_followed(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("alias.example", "CNAME", "example.org.")
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "192.0.2.1")
    assert names(await resolver().destination("alias.example")) == ["a.example"]


async def test_an_alias_to_nowhere_fails(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("alias.example", "CNAME", "nowhere.example.")
    assert reply(await resolver().destination("alias.example")) == "550 5.1.2"


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_a_dns_server_in_trouble_means_later(dns_server, resolver: MakeResolver, rcode) -> None:
    dns_server.break_("example.org", "MX", rcode)
    assert reply(await resolver(seconds=0.5).destination("example.org")) == "451 4.4.3"


async def test_a_dns_server_that_is_silent_means_later(dns_server, resolver: MakeResolver) -> None:
    dns_server.break_("example.org", "MX", None)
    assert reply(await resolver(seconds=0.3).destination("example.org")) == "451 4.4.3"


async def test_hosts_whose_addresses_nobody_tells_mean_later(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.break_("a.example", "A", dns.rcode.SERVFAIL)
    assert reply(await resolver(seconds=0.5).destination("example.org")) == "451 4.4.3"


async def test_a_host_without_address_is_passed_over(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 gone.example.", "20 b.example.")
    dns_server.add("b.example", "A", "192.0.2.2")
    assert names(await resolver().destination("example.org")) == ["b.example"]


async def test_no_host_with_an_address_fails(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 gone.example.")
    assert reply(await resolver().destination("example.org")) == "550 5.4.4"


async def test_mail_does_not_go_back_by_name(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 us.example.", "20 b.example.")
    dns_server.add("b.example", "A", "192.0.2.2")
    found = await resolver(own_names={"us.example"}).destination("example.org")
    assert reply(found) == "554 5.4.6"


async def test_mail_does_not_go_back_by_address(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "5 a.example.", "10 same.example.", "10 b.example.", "20 c.example.")
    for number, host in enumerate(("a", "same", "b", "c"), start=1):
        dns_server.add(f"{host}.example", "A", f"192.0.2.{number}")
    found = await resolver(own_addresses={"192.0.2.2"}).destination("example.org")
    assert names(found) == ["a.example"]


USELESS = [
    ("A", "0.0.0.0"),
    ("A", "0.1.2.3"),
    ("A", "10.0.0.1"),
    ("A", "100.64.0.1"),
    ("A", "127.0.0.1"),
    ("A", "169.254.169.254"),
    ("A", "172.31.255.1"),
    ("A", "192.168.1.1"),
    ("A", "198.18.0.1"),
    ("A", "224.0.0.1"),
    ("A", "240.0.0.1"),
    ("A", "255.255.255.255"),
    ("AAAA", "::"),
    ("AAAA", "::1"),
    ("AAAA", "::10.0.0.1"),
    ("AAAA", "::ffff:10.0.0.1"),
    ("AAAA", "::ffff:127.0.0.1"),
    ("AAAA", "64:ff9b::10.0.0.1"),
    ("AAAA", "64:ff9b:1::1"),
    ("AAAA", "2002:a00:1::1"),
    ("AAAA", "fc00::1"),
    ("AAAA", "fd12:3456::1"),
    ("AAAA", "fe80::1"),
    ("AAAA", "fec0::1"),
    ("AAAA", "ff02::1"),
]
LOOPS = {"0.0.0.0", "127.0.0.1", "::", "::1", "::ffff:127.0.0.1"}  # an address of a zone


@pytest.mark.parametrize(("kind", "address"), USELESS)
async def test_an_address_of_no_use_takes_only_itself_out(
    dns_server, resolver: MakeResolver, kind: str, address: str
) -> None:
    dns_server.add("example.org", "MX", "10 mixed.example.", "10 useless.example.", "20 next.example.")
    dns_server.add("useless.example", kind, address)
    dns_server.add("mixed.example", "A", "192.0.2.25", *([address] if kind == "A" else []))
    if kind == "AAAA":
        dns_server.add("mixed.example", kind, address)
    dns_server.add("next.example", "A", "192.0.2.26")
    found = await resolver().destination("example.org")
    assert found == Destination(
        (Host("mixed.example", 25, ("192.0.2.25",)), Host("next.example", 25, ("192.0.2.26",))), Policy()
    )


@pytest.mark.parametrize(("kind", "address"), USELESS)
async def test_a_domain_with_no_other_address_fails_and_the_sender_learns_no_more(
    dns_server, resolver: MakeResolver, kind: str, address: str
) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", kind, address)
    dns_server.add("implicit.example", kind, address)
    literal = f"[{'IPv6:' if kind == 'AAAA' else ''}{address}]"
    for domain in ("example.org", "implicit.example", literal):
        found = await resolver().destination(domain)
        assert reply(found) == ("554 5.4.6" if address in LOOPS else "550 5.4.4")
        assert isinstance(found, Unroutable)
        assert address not in found.reply.text.replace(literal, "")


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "203.0.113.7", "64:ff9b::192.0.2.1", "2002:c000:201::1", "2001:db8::1"]
)
async def test_addresses_of_the_internet_are_used(dns_server, resolver: MakeResolver, address: str) -> None:
    dns_server.add("example.org", "AAAA" if ":" in address else "A", address)
    found = await resolver().destination("example.org")
    assert isinstance(found, Destination)
    assert [ipaddress.ip_address(each) for each in found.hosts[0].addresses] == [
        ipaddress.ip_address(address)
    ]


async def test_a_private_network_that_is_listed_is_used(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "10.1.0.1", "10.2.0.1", "127.0.0.1")
    dns_server.add("a.example", "AAAA", "::ffff:10.1.0.2", "fd00::1")
    listed = [ipaddress.ip_network(each) for each in ("10.1.0.0/16", "fd00::/64")]
    found = await resolver(allowed_networks=listed).destination("example.org")
    assert isinstance(found, Destination)
    assert sorted(found.hosts[0].addresses) == ["10.1.0.1", "::ffff:10.1.0.2", "fd00::1"]
    assert names(await resolver(allowed_networks=listed).destination("[10.1.2.3]")) == ["[10.1.2.3]"]


async def test_useless_addresses_beside_a_question_without_answer_mean_later(
    dns_server, resolver: MakeResolver
) -> None:
    dns_server.add("example.org", "MX", "10 bad.example.", "20 silent.example.")
    dns_server.add("bad.example", "AAAA", "fe80::1")
    dns_server.break_("silent.example", "A", dns.rcode.SERVFAIL)
    assert reply(await resolver(seconds=0.5).destination("example.org")) == "451 4.4.3"
    dns_server.add("half.example", "A", "10.0.0.1")
    dns_server.break_("half.example", "AAAA", dns.rcode.SERVFAIL)
    assert reply(await resolver(seconds=0.5).destination("half.example")) == "451 4.4.3"


async def test_more_useless_hosts_than_one_attempt_tries_do_not_hide_a_good_one(
    dns_server, resolver: MakeResolver
) -> None:
    dns_server.add("example.org", "MX", *(f"{n} bad{n}.example." for n in range(1, 15)), "50 good.example.")
    for number in range(1, 15):
        dns_server.add(f"bad{number}.example", "A", "10.0.0.1")
    dns_server.add("good.example", "A", "192.0.2.25")
    assert names(await resolver().destination("example.org")) == ["good.example"]


async def test_thousands_of_addresses_of_one_host_cost_little_time_and_are_not_kept(
    dns_server, resolver: MakeResolver
) -> None:
    dns_server.add("example.org", "MX", "10 many.example.")
    dns_server.add("many.example", "A", *(f"203.0.{n // 250}.{n % 250 + 1}" for n in range(3000)))
    asking = resolver()
    for _ in range(2):
        found = await asking.destination("example.org")
        assert isinstance(found, Destination)
        assert len(found.hosts[0].addresses) == MAX_RECORDS
    assert dns_server.asked.count(("example.org", "MX")) == 1
    assert dns_server.asked.count(("many.example", "A")) == 2


async def test_our_own_mx_is_known_by_the_addresses_of_our_names(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("us.example", "A", "192.0.2.9")
    dns_server.add("us.example", "AAAA", "2001:db8::9")
    dns_server.add("example.org", "MX", "10 other-name.example.", "20 b.example.")
    dns_server.add("other-name.example", "AAAA", "2001:db8::9")
    dns_server.add("b.example", "A", "192.0.2.3")
    ours = resolver(own_names={"us.example"})
    assert reply(await ours.destination("example.org")) == "554 5.4.6"
    assert reply(await ours.destination("[IPv6:::ffff:192.0.2.9]")) == "554 5.4.6"
    assert names(await ours.destination("b.example")) == ["b.example"]


async def test_own_names_that_cannot_be_looked_up_stop_nobody(dns_server, resolver: MakeResolver) -> None:
    dns_server.break_("us.example", "A", dns.rcode.SERVFAIL)
    dns_server.add("example.org", "A", "192.0.2.3")
    asking = resolver(own_names={"us.example"}, seconds=0.5)
    assert names(await asking.destination("example.org")) == ["example.org"]


@pytest.mark.parametrize("records", [("0 .", "10 ."), ("10 .",), ("0 .", "0 .")])
async def test_nothing_but_null_mx_fails_as_one_null_mx(
    dns_server, resolver: MakeResolver, records: tuple[str, ...]
) -> None:
    dns_server.add("example.org", "MX", *records)
    dns_server.add("example.org", "A", "192.0.2.1")
    assert reply(await resolver().destination("example.org")) == "556 5.1.10"


async def test_a_null_mx_beside_other_hosts_is_ignored(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "0 .", "10 a.example.")
    dns_server.add("a.example", "AAAA", "2001:db8::1")
    assert names(await resolver().destination("example.org")) == ["a.example"]


async def test_a_host_that_is_an_alias_is_followed(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 alias.example.")
    dns_server.add("alias.example", "CNAME", "a.example.")
    dns_server.add("a.example", "A", "192.0.2.1", "10.0.0.1")
    found = await resolver().destination("example.org")
    assert isinstance(found, Destination)
    assert found.hosts[0].addresses == ("192.0.2.1",)


async def test_address_literals_need_no_dns(dns_server, resolver: MakeResolver) -> None:
    found = await resolver().destination("[192.0.2.7]")
    assert found == Destination((Host("[192.0.2.7]", 25, ("192.0.2.7",)),), Policy())
    assert reply(await resolver().destination("[127.0.0.1]")) == "554 5.4.6"
    assert reply(await resolver().destination("[x400:nobody]")) == "550 5.1.2"
    assert dns_server.asked == []


@pytest.mark.parametrize("domain", ["a..example", "x" * 64 + ".example", ""])
async def test_what_is_no_domain_name_fails(resolver: MakeResolver, domain: str) -> None:
    assert reply(await resolver().destination(domain)) in {"550 5.1.2", "550 5.4.4"}


async def test_answers_are_remembered(dns_server, resolver: MakeResolver) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "192.0.2.1")
    asking = resolver()
    await asking.destination("example.org")
    questions = len(dns_server.asked)
    await asking.destination("example.org")
    assert dns_server.asked[questions:] in ([], [("a.example", "AAAA")])


async def test_a_next_hop_goes_before_the_dns_and_may_be_on_loopback(
    dns_server, resolver: MakeResolver
) -> None:
    routing = Routing({"*": NextHop("127.0.0.1", 2526)}, {"*": Security.NONE}, {})
    found = await resolver(routing).destination("example.org")
    policy = Policy(security=Security.NONE)
    assert found == Destination((Host("127.0.0.1", 2526, ("127.0.0.1",)),), policy, configured=True)
    assert dns_server.asked == []


async def test_a_next_hop_without_address_means_later(resolver: MakeResolver) -> None:
    routing = Routing({"*": NextHop("host.invalid", 25)}, {}, {})
    assert reply(await resolver(routing).destination("example.org")) == "451 4.4.3"
