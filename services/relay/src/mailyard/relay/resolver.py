"""Finds the hosts that take mail for a domain: MX, then A and AAAA (RFC 5321 section 5.1, RFC 7505)."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from mailyard.relay.addresses import AddressRules, Network, Use
from mailyard.relay.destination import (
    Destination,
    Found,
    Host,
    Lack,
    MailExchanger,
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
MAX_RECORDS: Final = 50  # of one host and family that are looked at
_CACHED_ANSWERS: Final = 20_000
_CACHED_RECORDS: Final = 100  # of one answer, all sections: 64 KiB of a stranger's records take megabytes
_NEXT_HOP_SECONDS: Final = 30.0  # for how long a next hop's addresses are remembered

_log = get_logger(__name__)


class Missing(Enum):
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
    allowed_networks: Collection[Network] = ()
    dice: random.Random = field(default_factory=random.Random)


class SmallAnswers(dns.resolver.LRUCache):
    """A cache of answers that leaves large ones out."""

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        """Keep an answer, if it is small."""
        if sum(len(records) for part in value.response.sections for records in part) <= _CACHED_RECORDS:
            super().put(key, value)


class Resolver:
    """Says where mail goes. Answers of the DNS are cached for as long as they live."""

    def __init__(self, routing: Routing, options: ResolverOptions) -> None:
        self._routing = routing
        self._options = options
        self._dns = _dns_resolver(options)
        self._dns.cache = SmallAnswers(_CACHED_ANSWERS)
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
        return _unroutable(domain, Lack.NO_ADDRESS if use is Use.USELESS else Lack.LOOP)

    async def _by_dns(self, domain: str, policy: Policy) -> Destination | Unroutable:
        found = await self._exchangers(domain)
        if found is Missing.NO_RECORD:
            found = [MailExchanger(0, domain)]  # the implicit MX (RFC 5321 section 5.1)
        if found is Missing.NO_DOMAIN:
            return Unroutable(own_reply(550, "5.1.2", f"the domain {domain} does not exist"))
        if isinstance(found, Missing):
            return Unroutable(own_reply(451, "4.4.3", f"no DNS server told the MX of {domain}"))
        if takes_no_mail(found):
            return Unroutable(own_reply(556, "5.1.10", f"{domain} takes no mail (null MX)"))
        closer = before_ourselves([each for each in found if each.host], self._options.own_names)
        if not closer:
            return _unroutable(domain, Lack.LOOP)
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
        addresses, trouble = await self._records(host)
        judged = [(address, rules.use_of(address)) for address in addresses]
        usable = [address for address, use in judged if use is Use.USABLE]
        self._options.dice.shuffle(usable)
        return Found(tuple(usable), frozenset(use for _, use in judged) - {Use.USABLE}, trouble)

    async def _plain_addresses(self, host: str) -> list[str]:
        addresses, _ = await self._records(host)
        return addresses

    async def _records(self, host: str) -> tuple[list[str], bool]:
        """A and AAAA, and whether one of the questions got no answer."""
        answers = await asyncio.gather(self._some(host, "A"), self._some(host, "AAAA"))
        found = [record for answer in answers if not isinstance(answer, Missing) for record in answer]
        return found, Missing.TROUBLE in answers

    async def _some(self, host: str, kind: str) -> list[str] | Missing:
        """As many addresses of one family as are looked at; the rest of a large answer is let go at once."""
        answer = await self._ask(host, kind)
        return answer if isinstance(answer, Missing) else [str(each) for each in islice(answer, MAX_RECORDS)]

    async def _exchangers(self, domain: str) -> list[MailExchanger] | Missing:
        answer = await self._ask(domain, "MX")
        if isinstance(answer, Missing):
            return answer
        return [
            MailExchanger(record.preference, record.exchange.to_text(omit_final_dot=True).lower().rstrip("."))
            for record in answer
        ]

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer | Missing:
        """One question; CNAMEs are followed by the resolver."""
        try:
            absolute = dns.name.from_text(name, origin=dns.name.root)
        except (dns.exception.DNSException, UnicodeError):
            return Missing.NO_DOMAIN
        try:
            return await self._dns.resolve(absolute, kind, search=False)
        except dns.resolver.NXDOMAIN:
            return Missing.NO_DOMAIN
        except dns.resolver.NoAnswer:
            return Missing.NO_RECORD
        except (dns.exception.DNSException, OSError):
            return Missing.TROUBLE  # SERVFAIL, REFUSED, no answer in time, malformed answers


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


def _unroutable(domain: str, lack: Lack) -> Unroutable:
    """Say no more than this: what the DNS led to is nobody's business but the operator's."""
    match lack:
        case Lack.TROUBLE:
            return Unroutable(
                own_reply(451, "4.4.3", f"no DNS server told the addresses of {domain}'s hosts")
            )
        case Lack.LOOP:
            return Unroutable(own_reply(554, "5.4.6", f"mail for {domain} leads back to ourselves"))
        case Lack.NO_ADDRESS:
            return Unroutable(own_reply(550, "5.4.4", f"{domain} has no usable address"))
