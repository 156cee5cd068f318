"""Finds the hosts that take mail: a configured next hop, or MX, then A and AAAA (RFC 5321 section 5.1, RFC 7505)."""

import asyncio
import random
import socket
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from mailyard.directory.policies import Policies
from mailyard.directory.policy import DomainPolicy
from mailyard.dns.answer import DnsFailure, MailExchanger
from mailyard.dns.resolver import DnsResolver
from mailyard.relay.addresses import AddressRules, Network, Use
from mailyard.relay.ownaddresses import OwnAddresses
from mailyard.relay.route import (
    Host,
    LocatedHost,
    RelayRoute,
    RoutingFailure,
    Unroutable,
    before_ourselves,
    in_order,
    literal_address,
    reachable,
    takes_no_mail,
)
from mailyard.relay.routetable import RouteTable
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.runtime.logs import get_logger
from mailyard.smtp.client import Security
from mailyard.smtp.client.nexthop import NextHop
from mailyard.smtp.client.replies import own_reply

MAX_HOSTS: Final = 20  # of one domain that are looked up
_NEXT_HOP_SECONDS: Final = 30.0  # for how long a next hop's addresses are remembered
_NEXT_HOPS: Final = 2_000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """`seconds`: for the addresses of a next hop, which the system's resolver gives. `sources`: see `RelayRoute`."""

    seconds: float = 10.0
    smtp_port: int = 25
    own_names: Collection[str] = ()
    own_addresses: Collection[str] = ()
    allowed_networks: Collection[Network] = ()
    sources: tuple[str, ...] = ()
    rng: random.Random = field(default_factory=random.Random)


class RouteFinder:
    """The route policy of the settings, of tenants and of domains.

    A route of the settings that names the recipient's domain goes first, then the relay route of the sender's domain
    or tenant, then the next hop of the settings for all domains, then the DNS.
    """

    def __init__(
        self, table: RouteTable, dns: DnsResolver, policies: Policies, options: RouteOptions
    ) -> None:
        self._table = table
        self._dns = dns
        self._policies = policies
        self._options = options
        self._next_hops: OrderedDict[NextHop, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._own = OwnAddresses(
            options.own_addresses, options.own_names, self._plain_addresses, time.monotonic
        )

    async def route(self, tenant: str, sender: str, domain: str) -> RelayRoute | Unroutable:
        """Return the hosts for mail of a tenant's sender to a recipient domain (see `RoutePolicy`)."""
        policy = await self._policies.of_sender(tenant, sender)
        preferred = _next_hop(policy.relay_route) if policy.relay_route else None
        hop = self._table.next_hop(domain, preferred)
        tls = self._table.tls_policy(domain, hop, policy.relay_security or Security.NONE)
        sources = self._sources(policy)
        if hop is not None:
            return await self._configured(hop, tls, sources)
        found = await (self._literal(domain, tls) if domain.startswith("[") else self._by_dns(domain, tls))
        return found if isinstance(found, Unroutable) else RelayRoute(found, sources=sources)

    def _sources(self, policy: DomainPolicy) -> tuple[str, ...]:
        return policy.relay_sources or self._options.sources

    async def _configured(
        self, hop: NextHop, tls: TlsPolicy, sources: tuple[str, ...]
    ) -> RelayRoute | Unroutable:
        """Ask the system's own resolver, which knows hosts of a cluster and of /etc/hosts, and for no MX."""
        until, addresses = self._next_hops.get(hop, (0.0, ()))
        if until < time.monotonic():
            try:
                addresses = await _system_addresses(hop, self._options.seconds)
            except (OSError, TimeoutError) as error:
                text = f"the next hop {hop.host} has no address: {error or 'no answer'}"
                return Unroutable(own_reply(451, "4.4.3", text))
            self._remember(hop, addresses)
        return RelayRoute(
            (Host(hop.host, hop.port, addresses, tls),),
            hop.dialect,
            self._table.credentials_of(hop, tls),
            sources,
            configured=True,
        )

    def _remember(self, hop: NextHop, addresses: tuple[str, ...]) -> None:
        self._next_hops[hop] = (time.monotonic() + _NEXT_HOP_SECONDS, addresses)
        self._next_hops.move_to_end(hop)
        if len(self._next_hops) > _NEXT_HOPS:
            self._next_hops.popitem(last=False)

    async def _literal(self, domain: str, tls: TlsPolicy) -> tuple[Host, ...] | Unroutable:
        address = literal_address(domain)
        if address is None:
            return Unroutable(own_reply(550, "5.1.2", f"{domain} is not an address literal"))
        use = (await self._rules()).use_of(address)
        if use is Use.USABLE:
            return (Host(domain, self._options.smtp_port, (address,), tls),)
        return _unroutable(domain, RoutingFailure.NO_ADDRESS if use is Use.USELESS else RoutingFailure.LOOP)

    async def _by_dns(self, domain: str, tls: TlsPolicy) -> tuple[Host, ...] | Unroutable:
        answer = await self._dns.mail_exchangers(domain)
        if answer is DnsFailure.NO_DOMAIN:
            return Unroutable(own_reply(550, "5.1.2", f"the domain {domain} does not exist"))
        if answer is DnsFailure.UNANSWERED:
            return Unroutable(own_reply(451, "4.4.3", f"no DNS server told the MX of {domain}"))
        implicit = (MailExchanger(0, domain),)  # RFC 5321 section 5.1
        found = implicit if isinstance(answer, DnsFailure) else answer.records
        if takes_no_mail(found):
            return Unroutable(own_reply(556, "5.1.10", f"{domain} takes no mail (null MX)"))
        closer = before_ourselves([each for each in found if each.host], self._options.own_names)
        if not closer:
            return _unroutable(domain, RoutingFailure.LOOP)
        return await self._located(domain, in_order(closer, self._options.rng)[:MAX_HOSTS], tls)

    async def _located(
        self, domain: str, exchangers: Sequence[MailExchanger], tls: TlsPolicy
    ) -> tuple[Host, ...] | Unroutable:
        """Look up the addresses of all hosts at once."""
        rules = await self._rules()
        looked_up = await asyncio.gather(*(self._addresses(each.host, rules) for each in exchangers))
        located = list(zip(exchangers, looked_up, strict=True))
        hosts, failure = reachable(located, self._options.smtp_port, tls)
        if failure is None:
            return hosts
        if any(found.uses for found in looked_up):
            _log.info("relay.addresses_refused", domain=domain, hosts=[each.host for each in exchangers])
        return _unroutable(domain, failure)

    async def _rules(self) -> AddressRules:
        return AddressRules(self._options.allowed_networks, await self._own.known())

    async def _addresses(self, host: str, rules: AddressRules) -> LocatedHost:
        """Look up IPv4 and IPv6 addresses, in any order, those of no use left out."""
        known = await self._dns.addresses(host)
        judged = [(address, rules.use_of(address)) for address in known.addresses]
        usable = [address for address, use in judged if use is Use.USABLE]
        self._options.rng.shuffle(usable)
        uses = frozenset(use for _, use in judged) - {Use.USABLE}
        return LocatedHost(tuple(usable), uses, known.complete)

    async def _plain_addresses(self, host: str) -> tuple[str, ...]:
        return (await self._dns.addresses(host)).addresses


@lru_cache(maxsize=1024)
def _next_hop(text: str) -> NextHop:
    return NextHop.parse(text)


async def _system_addresses(hop: NextHop, seconds: float) -> tuple[str, ...]:
    async with asyncio.timeout(seconds):
        found = await asyncio.get_running_loop().getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _unroutable(domain: str, failure: RoutingFailure) -> Unroutable:
    """Say no more than this: what the DNS led to is nobody's business but the operator's."""
    match failure:
        case RoutingFailure.UNANSWERED:
            return Unroutable(
                own_reply(451, "4.4.3", f"no DNS server told the addresses of {domain}'s hosts")
            )
        case RoutingFailure.LOOP:
            return Unroutable(own_reply(554, "5.4.6", f"mail for {domain} leads back to ourselves"))
        case RoutingFailure.NO_ADDRESS:
            return Unroutable(own_reply(550, "5.4.4", f"{domain} has no usable address"))
