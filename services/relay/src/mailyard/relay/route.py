"""Routes: the hosts that take mail for a domain, in the order in which they are tried (RFC 5321, section 5.1). Pure."""

import ipaddress
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import groupby
from typing import Protocol

from mailyard.dns.answer import MailExchanger
from mailyard.relay.addresses import Use
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.smtp.client import Dialect, LoginCredentials
from mailyard.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Host:
    """A host to try, with its addresses in the order in which they are tried, and its own TLS policy."""

    name: str
    port: int
    addresses: tuple[str, ...]
    tls: TlsPolicy = field(default_factory=TlsPolicy)

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class ConnectionKey:
    """What sessions must have in common to be shared between legs."""

    host: str
    port: int
    tls: TlsPolicy
    dialect: Dialect
    credentials: LoginCredentials | None
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RelayRoute:
    """The hosts for mail of one sender to one domain, and how all of them are spoken to.

    `sources`: own addresses to connect from, at most one of each family; empty: the system chooses. `configured`: a
    person named the host. Raises ValueError for credentials without a TLS that is required: they would be open to
    whoever answers first (RFC 4954 section 9, RFC 8314 section 5).
    """

    hosts: tuple[Host, ...]
    dialect: Dialect = Dialect.SMTP
    credentials: LoginCredentials | None = None
    sources: tuple[str, ...] = ()
    configured: bool = False

    def __post_init__(self) -> None:
        for host in self.hosts if self.credentials is not None else ():
            if not host.tls.security.required:
                raise ValueError(f"credentials need security verify or encrypt, not {host.tls.security}")

    def key(self, host: Host) -> ConnectionKey:
        """Return the key of a session with one of the hosts."""
        return ConnectionKey(host.name, host.port, host.tls, self.dialect, self.credentials, self.sources)


@dataclass(frozen=True, slots=True)
class Unroutable:
    """There is no host to send to: for good (5yz) or for now (4yz)."""

    reply: Reply


class RoutePolicy(Protocol):
    """Decides the route of each leg. A further policy wraps another one and changes what that returns."""

    async def route(self, tenant: str, sender: str, domain: str) -> RelayRoute | Unroutable:
        """Return the route for mail of a tenant's sender to a recipient domain.

        Args:
            tenant: slug; empty: none.
            sender: the reverse-path's domain; empty: the null reverse-path.
            domain: in lower case with A-labels, or an address literal.

        Raises:
            Unavailable: the store is unreachable.

        """


class RoutingFailure(Enum):
    """Why there is no host."""

    UNANSWERED = auto()  # a DNS question has no answer now
    LOOP = auto()  # no host is left but this installation's own
    NO_ADDRESS = auto()


def in_order(exchangers: Iterable[MailExchanger], rng: random.Random) -> list[MailExchanger]:
    """Sort by preference, lowest first, in any order within one preference."""
    ordered: list[MailExchanger] = []
    by_preference = sorted(exchangers, key=lambda exchanger: exchanger.preference)
    for _, group in groupby(by_preference, key=lambda exchanger: exchanger.preference):
        equals = list(group)
        rng.shuffle(equals)
        ordered += equals
    return ordered


def before_ourselves(exchangers: Sequence[MailExchanger], own_names: Collection[str]) -> list[MailExchanger]:
    """Return only hosts that are preferred to this installation: mail must come closer with each hop."""
    own = [exchanger.preference for exchanger in exchangers if exchanger.host in own_names]
    return [exchanger for exchanger in exchangers if not own or exchanger.preference < min(own)]


def takes_no_mail(exchangers: Sequence[MailExchanger]) -> bool:
    """Tell whether there are only null MX: the domain takes no mail. Beside other hosts they are ignored (RFC 7505, section 3)."""
    return bool(exchangers) and not any(exchanger.host for exchanger in exchangers)


@dataclass(frozen=True, slots=True)
class LocatedHost:
    """The addresses of one host in the DNS; not `complete`: a question was not answered."""

    usable: tuple[str, ...] = ()
    uses: frozenset[Use] = frozenset()
    complete: bool = True


def reachable(
    located: Sequence[tuple[MailExchanger, LocatedHost]], port: int, tls: TlsPolicy
) -> tuple[tuple[Host, ...], RoutingFailure | None]:
    """Return the hosts to try, lowest preference first, and why there are none (RFC 5321 section 5.1).

    A host that is this installation takes itself and the hosts of its and of higher preference values out. An address
    that is of no use takes only itself out.
    """
    own = [exchanger.preference for exchanger, found in located if Use.OURSELVES in found.uses]
    closer = [(each, found) for each, found in located if not own or each.preference < min(own)]
    hosts = tuple(Host(each.host, port, found.usable, tls) for each, found in closer if found.usable)
    if hosts:
        return hosts, None
    if any(not found.complete for _, found in closer):
        return (), RoutingFailure.UNANSWERED
    loops = own or any(Use.LOOPBACK in found.uses for _, found in closer)
    return (), RoutingFailure.LOOP if loops else RoutingFailure.NO_ADDRESS


def literal_address(domain: str) -> str | None:
    """Return the IP address of an address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3)."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inside = domain[1:-1]
    try:
        if inside[:5].lower() == "ipv6:":
            return str(ipaddress.IPv6Address(inside[5:]))
        return str(ipaddress.ip_address(inside))
    except ValueError:
        return None
