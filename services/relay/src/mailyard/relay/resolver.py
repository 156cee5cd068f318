"""Finds the hosts that take mail for a domain: MX, then A and AAAA (RFC 5321 section 5.1, RFC 7505)."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from mailyard.relay.destination import (
    Destination,
    Host,
    MailExchanger,
    Unroutable,
    before_ourselves,
    in_order,
    leads_back,
    literal_address,
    takes_no_mail,
)
from mailyard.relay.nexthop import NextHop, Policy, Routing
from mailyard.smtp.client.replies import own_reply

MAX_HOSTS: Final = 10  # of one domain that are looked up
_CACHED_ANSWERS: Final = 20_000
_NEXT_HOP_SECONDS: Final = 30.0  # for how long a next hop's addresses are remembered


class Lack(Enum):
    """Why there are no records."""

    NO_DOMAIN = auto()  # NXDOMAIN, or no domain name at all
    NO_RECORD = auto()  # the name has no records of this type
    TROUBLE = auto()  # no server gave an answer: ask again later


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """`servers` empty: those of /etc/resolv.conf."""

    servers: Sequence[str] = ()
    server_port: int = 53
    seconds: float = 10.0
    smtp_port: int = 25
    own_names: Collection[str] = ()
    own_addresses: Collection[str] = ()
    dice: random.Random = field(default_factory=random.Random)


class Resolver:
    """Says where mail goes. Answers of the DNS are cached for as long as they live."""

    def __init__(self, routing: Routing, options: ResolverOptions) -> None:
        self._routing = routing
        self._options = options
        self._dns = _dns_resolver(options)
        self._dns.cache = dns.resolver.LRUCache(_CACHED_ANSWERS)
        self._next_hops: dict[NextHop, tuple[float, tuple[str, ...]]] = {}

    async def destination(self, domain: str) -> Destination | Unroutable:
        """Where mail for `domain` (lower case, A-labels, or an address literal) goes now."""
        hop = self._routing.next_hop(domain)
        policy = self._routing.policy(domain, hop)
        if hop is not None:
            return await self._configured(hop, policy)
        if domain.startswith("["):
            return self._literal(domain, policy)
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

    def _literal(self, domain: str, policy: Policy) -> Destination | Unroutable:
        address = literal_address(domain)
        if address is None:
            return Unroutable(own_reply(550, "5.1.2", f"{domain} is not an address literal"))
        if leads_back(address, self._options.own_addresses):
            return _loop(domain)
        return Destination((Host(domain, self._options.smtp_port, (address,)),), policy)

    async def _by_dns(self, domain: str, policy: Policy) -> Destination | Unroutable:
        found = await self._exchangers(domain)
        if found is Lack.NO_RECORD:
            found = [MailExchanger(0, domain)]  # the implicit MX (RFC 5321 section 5.1)
        if found is Lack.NO_DOMAIN:
            return Unroutable(own_reply(550, "5.1.2", f"the domain {domain} does not exist"))
        if isinstance(found, Lack):
            return Unroutable(own_reply(451, "4.4.3", f"no DNS server told the MX of {domain}"))
        if takes_no_mail(found):
            return Unroutable(own_reply(556, "5.1.10", f"{domain} takes no mail (null MX)"))
        closer = before_ourselves([each for each in found if each.host], self._options.own_names)
        if not closer:
            return _loop(domain)
        return await self._located(domain, in_order(closer, self._options.dice)[:MAX_HOSTS], policy)

    async def _located(
        self, domain: str, exchangers: Sequence[MailExchanger], policy: Policy
    ) -> Destination | Unroutable:
        """Look up the addresses of all hosts at once; only hosts that are preferred to ourselves remain."""
        looked_up = await asyncio.gather(*(self._addresses(exchanger.host) for exchanger in exchangers))
        own = self._options.own_addresses
        back = [
            exchanger.preference
            for exchanger, addresses in zip(exchangers, looked_up, strict=True)
            if any(leads_back(address, own) for address in addresses or ())
        ]
        hosts = [
            Host(exchanger.host, self._options.smtp_port, tuple(addresses))
            for exchanger, addresses in zip(exchangers, looked_up, strict=True)
            if addresses and (not back or exchanger.preference < min(back))
        ]
        if hosts:
            return Destination(tuple(hosts), policy)
        if back:
            return _loop(domain)
        if None in looked_up:
            return Unroutable(
                own_reply(451, "4.4.3", f"no DNS server told the addresses of {domain}'s hosts")
            )
        return Unroutable(own_reply(550, "5.4.4", f"no host that takes mail for {domain} has an address"))

    async def _addresses(self, host: str) -> list[str] | None:
        """IPv4 and IPv6 addresses in any order; empty: there is none; None: nobody could tell."""
        four, six = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"))
        found = [str(record) for answer in (four, six) if not isinstance(answer, Lack) for record in answer]
        if not found and Lack.TROUBLE in (four, six):
            return None
        self._options.dice.shuffle(found)
        return found

    async def _exchangers(self, domain: str) -> list[MailExchanger] | Lack:
        answer = await self._ask(domain, "MX")
        if isinstance(answer, Lack):
            return answer
        return [
            MailExchanger(record.preference, record.exchange.to_text(omit_final_dot=True).lower().rstrip("."))
            for record in answer
        ]

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer | Lack:
        """One question; CNAMEs are followed by the resolver."""
        try:
            absolute = dns.name.from_text(name, origin=dns.name.root)
        except (dns.exception.DNSException, UnicodeError):
            return Lack.NO_DOMAIN
        try:
            return await self._dns.resolve(absolute, kind, search=False)
        except dns.resolver.NXDOMAIN:
            return Lack.NO_DOMAIN
        except dns.resolver.NoAnswer:
            return Lack.NO_RECORD
        except (dns.exception.DNSException, OSError):
            return Lack.TROUBLE  # SERVFAIL, REFUSED, no answer in time, malformed answers


def _dns_resolver(options: ResolverOptions) -> dns.asyncresolver.Resolver:
    """A machine without /etc/resolv.conf has no DNS servers: enough for one that has a next hop for everything."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.lifetime = options.seconds
    if options.servers:
        resolver.nameservers = list(options.servers)
        resolver.port = options.server_port
    else:
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):
            resolver.read_resolv_conf("/etc/resolv.conf")
    return resolver


async def _system_addresses(hop: NextHop, seconds: float) -> tuple[str, ...]:
    async with asyncio.timeout(seconds):
        found = await asyncio.get_running_loop().getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _loop(domain: str) -> Unroutable:
    return Unroutable(own_reply(554, "5.4.6", f"mail for {domain} leads back to ourselves"))
