"""MX, addresses, and what their absence means (RFC 5321 section 5.1, RFC 7505), asked of a real DNS server."""

import ipaddress
import random
from collections.abc import Callable

import dns.rcode
import pytest

from mailyard.directory.policy import DomainPolicy
from mailyard.dns.resolver import MAX_RECORDS, DnsOptions, DnsResolver
from mailyard.relay.route import Host, RelayRoute, Unroutable
from mailyard.relay.routefinder import RouteFinder, RouteOptions
from mailyard.relay.routetable import RouteTable
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.smtp.client import LoginCredentials, Security
from mailyard.smtp.client.nexthop import NextHop


class FixedPolicies:
    def __init__(self, policy: DomainPolicy) -> None:
        self.policy = policy

    async def of_sender(self, tenant: str, domain: str) -> DomainPolicy:
        assert (tenant, domain) == ("acme", "acme.example")
        return self.policy


MakeFinder = Callable[..., RouteFinder]


@pytest.fixture
def finder(dns_server) -> MakeFinder:
    def make(table: RouteTable | None = None, policy: DomainPolicy | None = None, **options) -> RouteFinder:
        return RouteFinder(
            table or RouteTable({}, {}, {}),
            DnsResolver(DnsOptions(["127.0.0.1"], dns_server.port, options.get("seconds", 2.0))),
            FixedPolicies(policy or DomainPolicy()),
            RouteOptions(
                seconds=options.pop("seconds", 2.0),
                rng=random.Random(7),
                **options,
            ),
        )

    return make


def names(found: RelayRoute | Unroutable) -> list[str]:
    assert isinstance(found, RelayRoute), found
    return [host.name for host in found.hosts]


def reply(found: RelayRoute | Unroutable) -> str:
    assert isinstance(found, Unroutable), found
    return f"{found.reply.code} {found.reply.enhanced}"


async def test_hosts_come_in_order_of_preference(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "20 b.example.", "10 A.example.")
    dns_server.add("a.example", "A", "192.0.2.1")
    dns_server.add("b.example", "A", "192.0.2.2")
    found = await finder().route("acme", "acme.example", "example.org")
    assert found == RelayRoute((Host("a.example", 25, ("192.0.2.1",)), Host("b.example", 25, ("192.0.2.2",))))


async def test_a_host_has_addresses_of_both_families(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "192.0.2.1", "192.0.2.2")
    dns_server.add("a.example", "AAAA", "2001:db8::1")
    found = await finder().route("acme", "acme.example", "example.org")
    assert isinstance(found, RelayRoute)
    assert sorted(found.hosts[0].addresses) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


async def test_without_mx_the_domain_is_its_own_host(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "A", "192.0.2.1")
    assert names(await finder().route("acme", "acme.example", "example.org")) == ["example.org"]


async def test_a_domain_that_does_not_exist_fails(finder: MakeFinder) -> None:
    assert reply(await finder().route("acme", "acme.example", "nowhere.example")) == "550 5.1.2"


async def test_a_domain_with_neither_mx_nor_address_fails(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "TXT", '"v=spf1 -all"')
    assert reply(await finder().route("acme", "acme.example", "example.org")) == "550 5.4.4"


async def test_a_null_mx_fails(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "0 .")
    assert reply(await finder().route("acme", "acme.example", "example.org")) == "556 5.1.10"


async def test_an_alias_is_followed(dns_server, finder: MakeFinder) -> None:
    dns_server.add("alias.example", "CNAME", "example.org.")
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "192.0.2.1")
    assert names(await finder().route("acme", "acme.example", "alias.example")) == ["a.example"]


async def test_an_alias_to_nowhere_fails(dns_server, finder: MakeFinder) -> None:
    dns_server.add("alias.example", "CNAME", "nowhere.example.")
    assert reply(await finder().route("acme", "acme.example", "alias.example")) == "550 5.1.2"


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_a_dns_server_in_trouble_means_later(dns_server, finder: MakeFinder, rcode) -> None:
    dns_server.break_("example.org", "MX", rcode)
    assert reply(await finder(seconds=0.5).route("acme", "acme.example", "example.org")) == "451 4.4.3"


async def test_a_dns_server_that_is_silent_means_later(dns_server, finder: MakeFinder) -> None:
    dns_server.break_("example.org", "MX", None)
    assert reply(await finder(seconds=0.3).route("acme", "acme.example", "example.org")) == "451 4.4.3"


async def test_hosts_whose_addresses_nobody_tells_mean_later(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.break_("a.example", "A", dns.rcode.SERVFAIL)
    assert reply(await finder(seconds=0.5).route("acme", "acme.example", "example.org")) == "451 4.4.3"


async def test_a_host_without_address_is_passed_over(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 gone.example.", "20 b.example.")
    dns_server.add("b.example", "A", "192.0.2.2")
    assert names(await finder().route("acme", "acme.example", "example.org")) == ["b.example"]


async def test_no_host_with_an_address_fails(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 gone.example.")
    assert reply(await finder().route("acme", "acme.example", "example.org")) == "550 5.4.4"


async def test_mail_does_not_go_back_by_name(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 us.example.", "20 b.example.")
    dns_server.add("b.example", "A", "192.0.2.2")
    found = await finder(own_names={"us.example"}).route("acme", "acme.example", "example.org")
    assert reply(found) == "554 5.4.6"


async def test_mail_does_not_go_back_by_address(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "5 a.example.", "10 same.example.", "10 b.example.", "20 c.example.")
    for number, host in enumerate(("a", "same", "b", "c"), start=1):
        dns_server.add(f"{host}.example", "A", f"192.0.2.{number}")
    found = await finder(own_addresses={"192.0.2.2"}).route("acme", "acme.example", "example.org")
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
    dns_server, finder: MakeFinder, kind: str, address: str
) -> None:
    dns_server.add("example.org", "MX", "10 mixed.example.", "10 useless.example.", "20 next.example.")
    dns_server.add("useless.example", kind, address)
    dns_server.add("mixed.example", "A", "192.0.2.25", *([address] if kind == "A" else []))
    if kind == "AAAA":
        dns_server.add("mixed.example", kind, address)
    dns_server.add("next.example", "A", "192.0.2.26")
    found = await finder().route("acme", "acme.example", "example.org")
    assert found == RelayRoute(
        (Host("mixed.example", 25, ("192.0.2.25",)), Host("next.example", 25, ("192.0.2.26",)))
    )


@pytest.mark.parametrize(("kind", "address"), USELESS)
async def test_a_domain_with_no_other_address_fails_and_the_sender_learns_no_more(
    dns_server, finder: MakeFinder, kind: str, address: str
) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", kind, address)
    dns_server.add("implicit.example", kind, address)
    literal = f"[{'IPv6:' if kind == 'AAAA' else ''}{address}]"
    for domain in ("example.org", "implicit.example", literal):
        found = await finder().route("acme", "acme.example", domain)
        assert reply(found) == ("554 5.4.6" if address in LOOPS else "550 5.4.4")
        assert isinstance(found, Unroutable)
        assert address not in found.reply.text.replace(literal, "")


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "203.0.113.7", "64:ff9b::192.0.2.1", "2002:c000:201::1", "2001:db8::1"]
)
async def test_addresses_of_the_internet_are_used(dns_server, finder: MakeFinder, address: str) -> None:
    dns_server.add("example.org", "AAAA" if ":" in address else "A", address)
    found = await finder().route("acme", "acme.example", "example.org")
    assert isinstance(found, RelayRoute)
    assert [ipaddress.ip_address(each) for each in found.hosts[0].addresses] == [
        ipaddress.ip_address(address)
    ]


async def test_a_private_network_that_is_listed_is_used(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "10.1.0.1", "10.2.0.1", "127.0.0.1")
    dns_server.add("a.example", "AAAA", "::ffff:10.1.0.2", "fd00::1")
    listed = [ipaddress.ip_network(each) for each in ("10.1.0.0/16", "fd00::/64")]
    found = await finder(allowed_networks=listed).route("acme", "acme.example", "example.org")
    assert isinstance(found, RelayRoute)
    assert sorted(found.hosts[0].addresses) == ["10.1.0.1", "::ffff:10.1.0.2", "fd00::1"]
    assert names(await finder(allowed_networks=listed).route("acme", "acme.example", "[10.1.2.3]")) == [
        "[10.1.2.3]"
    ]


async def test_useless_addresses_beside_a_question_without_answer_mean_later(
    dns_server, finder: MakeFinder
) -> None:
    dns_server.add("example.org", "MX", "10 bad.example.", "20 silent.example.")
    dns_server.add("bad.example", "AAAA", "fe80::1")
    dns_server.break_("silent.example", "A", dns.rcode.SERVFAIL)
    assert reply(await finder(seconds=0.5).route("acme", "acme.example", "example.org")) == "451 4.4.3"
    dns_server.add("half.example", "A", "10.0.0.1")
    dns_server.break_("half.example", "AAAA", dns.rcode.SERVFAIL)
    assert reply(await finder(seconds=0.5).route("acme", "acme.example", "half.example")) == "451 4.4.3"


async def test_more_useless_hosts_than_one_attempt_tries_do_not_hide_a_good_one(
    dns_server, finder: MakeFinder
) -> None:
    dns_server.add("example.org", "MX", *(f"{n} bad{n}.example." for n in range(1, 15)), "50 good.example.")
    for number in range(1, 15):
        dns_server.add(f"bad{number}.example", "A", "10.0.0.1")
    dns_server.add("good.example", "A", "192.0.2.25")
    assert names(await finder().route("acme", "acme.example", "example.org")) == ["good.example"]


async def test_thousands_of_addresses_of_one_host_cost_little_time_and_are_not_kept(
    dns_server, finder: MakeFinder
) -> None:
    dns_server.add("example.org", "MX", "10 many.example.")
    dns_server.add("many.example", "A", *(f"203.0.{n // 250}.{n % 250 + 1}" for n in range(3000)))
    asking = finder()
    for _ in range(2):
        found = await asking.route("acme", "acme.example", "example.org")
        assert isinstance(found, RelayRoute)
        assert len(found.hosts[0].addresses) == MAX_RECORDS
    assert dns_server.asked.count(("example.org", "MX")) == 1
    assert dns_server.asked.count(("many.example", "A")) == 2


async def test_our_own_mx_is_known_by_the_addresses_of_our_names(dns_server, finder: MakeFinder) -> None:
    dns_server.add("us.example", "A", "192.0.2.9")
    dns_server.add("us.example", "AAAA", "2001:db8::9")
    dns_server.add("example.org", "MX", "10 other-name.example.", "20 b.example.")
    dns_server.add("other-name.example", "AAAA", "2001:db8::9")
    dns_server.add("b.example", "A", "192.0.2.3")
    ours = finder(own_names={"us.example"})
    assert reply(await ours.route("acme", "acme.example", "example.org")) == "554 5.4.6"
    assert reply(await ours.route("acme", "acme.example", "[IPv6:::ffff:192.0.2.9]")) == "554 5.4.6"
    assert names(await ours.route("acme", "acme.example", "b.example")) == ["b.example"]


async def test_own_names_that_cannot_be_looked_up_stop_nobody(dns_server, finder: MakeFinder) -> None:
    dns_server.break_("us.example", "A", dns.rcode.SERVFAIL)
    dns_server.add("example.org", "A", "192.0.2.3")
    asking = finder(own_names={"us.example"}, seconds=0.5)
    assert names(await asking.route("acme", "acme.example", "example.org")) == ["example.org"]


@pytest.mark.parametrize("records", [("0 .", "10 ."), ("10 .",), ("0 .", "0 .")])
async def test_nothing_but_null_mx_fails_as_one_null_mx(
    dns_server, finder: MakeFinder, records: tuple[str, ...]
) -> None:
    dns_server.add("example.org", "MX", *records)
    dns_server.add("example.org", "A", "192.0.2.1")
    assert reply(await finder().route("acme", "acme.example", "example.org")) == "556 5.1.10"


async def test_a_null_mx_beside_other_hosts_is_ignored(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "0 .", "10 a.example.")
    dns_server.add("a.example", "AAAA", "2001:db8::1")
    assert names(await finder().route("acme", "acme.example", "example.org")) == ["a.example"]


async def test_a_host_that_is_an_alias_is_followed(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 alias.example.")
    dns_server.add("alias.example", "CNAME", "a.example.")
    dns_server.add("a.example", "A", "192.0.2.1", "10.0.0.1")
    found = await finder().route("acme", "acme.example", "example.org")
    assert isinstance(found, RelayRoute)
    assert found.hosts[0].addresses == ("192.0.2.1",)


async def test_address_literals_need_no_dns(dns_server, finder: MakeFinder) -> None:
    found = await finder().route("acme", "acme.example", "[192.0.2.7]")
    assert found == RelayRoute((Host("[192.0.2.7]", 25, ("192.0.2.7",)),))
    assert reply(await finder().route("acme", "acme.example", "[127.0.0.1]")) == "554 5.4.6"
    assert reply(await finder().route("acme", "acme.example", "[x400:nobody]")) == "550 5.1.2"
    assert dns_server.asked == []


@pytest.mark.parametrize("domain", ["a..example", "x" * 64 + ".example", ""])
async def test_what_is_no_domain_name_fails(finder: MakeFinder, domain: str) -> None:
    assert reply(await finder().route("acme", "acme.example", domain)) in {"550 5.1.2", "550 5.4.4"}


async def test_answers_are_remembered(dns_server, finder: MakeFinder) -> None:
    dns_server.add("example.org", "MX", "10 a.example.")
    dns_server.add("a.example", "A", "192.0.2.1")
    asking = finder()
    await asking.route("acme", "acme.example", "example.org")
    questions = len(dns_server.asked)
    await asking.route("acme", "acme.example", "example.org")
    assert dns_server.asked[questions:] in ([], [("a.example", "AAAA")])


async def test_a_next_hop_goes_before_the_dns_and_may_be_on_loopback(dns_server, finder: MakeFinder) -> None:
    table = RouteTable({"*": NextHop("127.0.0.1", 2526)}, {"*": Security.NONE}, {})
    found = await finder(table).route("acme", "acme.example", "example.org")
    host = Host("127.0.0.1", 2526, ("127.0.0.1",), TlsPolicy(Security.NONE))
    assert found == RelayRoute((host,), configured=True)
    assert dns_server.asked == []


async def test_a_next_hop_without_address_means_later(finder: MakeFinder) -> None:
    table = RouteTable({"*": NextHop("host.invalid", 25)}, {}, {})
    assert reply(await finder(table).route("acme", "acme.example", "example.org")) == "451 4.4.3"


async def test_the_relay_route_of_a_tenant_goes_before_the_next_hop_of_the_settings(
    dns_server, finder: MakeFinder
) -> None:
    table = RouteTable(
        {"*": NextHop("127.0.0.1", 2526), "b.example": NextHop("127.0.0.1", 2527)},
        {},
        {"127.0.0.9": LoginCredentials("user", "secret")},
    )
    asking = finder(table, DomainPolicy(relay_route="submission://127.0.0.9:2587"))
    found = await asking.route("acme", "acme.example", "example.org")
    host = Host("127.0.0.9", 2587, ("127.0.0.9",), TlsPolicy(Security.VERIFY))
    assert found == RelayRoute((host,), credentials=LoginCredentials("user", "secret"), configured=True)
    named = await asking.route("acme", "acme.example", "b.example")
    assert isinstance(named, RelayRoute)
    assert named.hosts[0].port == 2527
    assert dns_server.asked == []


async def test_tls_and_source_addresses_of_a_tenant_hold_for_each_host_of_the_dns(
    dns_server, finder: MakeFinder
) -> None:
    dns_server.add("example.org", "MX", "10 a.example.", "20 b.example.")
    dns_server.add("a.example", "A", "192.0.2.1")
    dns_server.add("b.example", "A", "192.0.2.2")
    policy = DomainPolicy(relay_security=Security.ENCRYPT, relay_sources=("192.0.2.200",))
    found = await finder(policy=policy, sources=("192.0.2.100",)).route("acme", "acme.example", "example.org")
    assert isinstance(found, RelayRoute)
    assert [host.tls for host in found.hosts] == [TlsPolicy(Security.ENCRYPT)] * 2
    assert found.sources == ("192.0.2.200",)
    default = await finder(sources=("192.0.2.100",)).route("acme", "acme.example", "example.org")
    assert isinstance(default, RelayRoute)
    assert default.sources == ("192.0.2.100",)


async def test_only_so_many_next_hops_are_remembered(finder: MakeFinder, monkeypatch) -> None:
    monkeypatch.setattr("mailyard.relay.routefinder._NEXT_HOPS", 2)
    asking = finder()
    for port in range(1, 6):
        asking._policies.policy = DomainPolicy(relay_route=f"127.0.0.1:{port}")
        await asking.route("acme", "acme.example", "example.org")
    assert [hop.port for hop in asking._next_hops] == [4, 5]
