"""Finds the hosts that take mail for a domain: MX, then A and AAAA (RFC 5321 section 5.1, RFC 7505)."""

import asyncio
import random
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from mailyard.dns.answer import DnsFailure, MailExchanger
from mailyard.dns.resolver import DnsResolver
from mailyard.relay.addresses import AddressRules, Network, Use
from mailyard.relay.destination import (
    Destination,
    Found,
    Host,
    RoutingFailure,
    Unroutable,
    before_ourselves,
    in_order,
    literal_address,
    reachable,
    takes_no_mail,
)
from mailyard.relay.nexthop import NextHop, Policy, Routing
from mailyard.relay.ownaddresses import OwnAddresses
from mailyard.runtime.logs import get_logger
from mailyard.smtp.client.replies import own_reply

MAX_HOSTS: Final = 20  # of one domain that are looked up
_NEXT_HOP_SECONDS: Final = 30.0  # for how long a next hop's addresses are remembered

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """`seconds`: for the addresses of a next hop, which the system's resolver gives."""

    seconds: float = 10.0
    smtp_port: int = 25
    own_names: Collection[str] = ()
    own_addresses: Collection[str] = ()
    allowed_networks: Collection[Network] = ()
    dice: random.Random = field(default_factory=random.Random)


class Resolver:
    """Find the hosts for a domain."""

    def __init__(self, routing: Routing, dns: DnsResolver, options: ResolverOptions) -> None:
        self._routing = routing
        self._dns = dns
        self._options = options
        self._next_hops: dict[NextHop, tuple[float, tuple[str, ...]]] = {}
        self._own = OwnAddresses(
            options.own_addresses, options.own_names, self._plain_addresses, time.monotonic
        )

    async def destination(self, domain: str) -> Destination | Unroutable:
        """Where mail for `domain` (lower case, A-labels, or an address literal) goes now."""
        hop = self._routing.next_hop(domain)
        policy = self._routing.policy(domain, hop)
        if hop is not None:
            return await self._configured(hop, policy)
        if domain.startswith("["):
            return await self._literal(domain, policy)
        return await self._by_dns(domain, policy)

    async def _configured(self, hop: NextHop, policy: Policy) -> Destination | Unroutable:
        """The system's own resolver knows hosts of a cluster and of /etc/hosts; no MX is asked for."""
        until, addresses = self._next_hops.get(hop, (0.0, ()))
        if until < time.monotonic():
            try:
                addresses = await _system_addresses(hop, self._options.seconds)
            except (OSError, TimeoutError) as error:
                text = f"the next hop {hop.host} has no address: {error or 'no answer'}"
                return Unroutable(own_reply(451, "4.4.3", text))
            self._next_hops[hop] = (time.monotonic() + _NEXT_HOP_SECONDS, addresses)
        return Destination((Host(hop.host, hop.port, addresses),), policy, configured=True)

    async def _literal(self, domain: str, policy: Policy) -> Destination | Unroutable:
        address = literal_address(domain)
        if address is None:
            return Unroutable(own_reply(550, "5.1.2", f"{domain} is not an address literal"))
        use = (await self._rules()).use_of(address)
        if use is Use.USABLE:
            return Destination((Host(domain, self._options.smtp_port, (address,)),), policy)
        return _unroutable(domain, RoutingFailure.NO_ADDRESS if use is Use.USELESS else RoutingFailure.LOOP)

    async def _by_dns(self, domain: str, policy: Policy) -> Destination | Unroutable:
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
        return await self._located(domain, in_order(closer, self._options.dice)[:MAX_HOSTS], policy)

    async def _located(
        self, domain: str, exchangers: Sequence[MailExchanger], policy: Policy
    ) -> Destination | Unroutable:
        """Look up the addresses of all hosts at once."""
        rules = await self._rules()
        looked_up = await asyncio.gather(*(self._addresses(each.host, rules) for each in exchangers))
        located = list(zip(exchangers, looked_up, strict=True))
        hosts, lack = reachable(located, self._options.smtp_port)
        if lack is None:
            return Destination(hosts, policy)
        if any(found.uses for found in looked_up):
            _log.info("relay.addresses_refused", domain=domain, hosts=[each.host for each in exchangers])
        return _unroutable(domain, lack)

    async def _rules(self) -> AddressRules:
        return AddressRules(self._options.allowed_networks, await self._own.known())

    async def _addresses(self, host: str, rules: AddressRules) -> Found:
        """IPv4 and IPv6 addresses in any order, those of no use left out."""
        known = await self._dns.addresses(host)
        judged = [(address, rules.use_of(address)) for address in known.addresses]
        usable = [address for address, use in judged if use is Use.USABLE]
        self._options.dice.shuffle(usable)
        return Found(tuple(usable), frozenset(use for _, use in judged) - {Use.USABLE}, known.complete)

    async def _plain_addresses(self, host: str) -> tuple[str, ...]:
        return (await self._dns.addresses(host)).addresses


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
