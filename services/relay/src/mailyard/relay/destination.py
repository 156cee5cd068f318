"""Where mail for a domain goes: hosts in the order in which they are tried (RFC 5321 section 5.1). Pure."""

import ipaddress
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby

from mailyard.dns.answer import MailExchanger
from mailyard.relay.addresses import Use
from mailyard.relay.nexthop import Policy
from mailyard.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Host:
    """A host to try, with its addresses in the order in which they are tried."""

    name: str
    port: int
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Destination:
    """The hosts for one domain. `configured`: a person named them."""

    hosts: tuple[Host, ...]
    policy: Policy
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Unroutable:
    """Nobody to send to: for good (5yz) or for now (4yz)."""

    reply: Reply


class RoutingFailure(Enum):
    """Why there is no host."""

    UNANSWERED = auto()  # a DNS question has no answer now
    LOOP = auto()  # no host is left but this installation's own
    NO_ADDRESS = auto()


def in_order(exchangers: Iterable[MailExchanger], dice: random.Random) -> list[MailExchanger]:
    """Lowest preference first, any order within one preference."""
    ordered: list[MailExchanger] = []
    by_preference = sorted(exchangers, key=lambda exchanger: exchanger.preference)
    for _, group in groupby(by_preference, key=lambda exchanger: exchanger.preference):
        equals = list(group)
        dice.shuffle(equals)
        ordered += equals
    return ordered


def before_ourselves(exchangers: Sequence[MailExchanger], own_names: Collection[str]) -> list[MailExchanger]:
    """Only hosts that are preferred to ourselves: mail must come closer with each hop."""
    own = [exchanger.preference for exchanger in exchangers if exchanger.host in own_names]
    return [exchanger for exchanger in exchangers if not own or exchanger.preference < min(own)]


def takes_no_mail(exchangers: Sequence[MailExchanger]) -> bool:
    """Only null MX: the domain says that it takes no mail. Beside other hosts they are ignored (RFC 7505 section 3)."""
    return bool(exchangers) and not any(exchanger.host for exchanger in exchangers)


@dataclass(frozen=True, slots=True)
class Found:
    """The addresses of one host in the DNS; not `complete`: a question was not answered."""

    usable: tuple[str, ...] = ()
    uses: frozenset[Use] = frozenset()
    complete: bool = True


def reachable(
    located: Sequence[tuple[MailExchanger, Found]], port: int
) -> tuple[tuple[Host, ...], RoutingFailure | None]:
    """The hosts to try, lowest preference first, and why there are none (RFC 5321 section 5.1).

    A host that is ourselves takes itself and the hosts of its and of higher preference values out. An address that
    is of no use takes only itself out.
    """
    own = [exchanger.preference for exchanger, found in located if Use.OURSELVES in found.uses]
    closer = [(each, found) for each, found in located if not own or each.preference < min(own)]
    hosts = tuple(Host(each.host, port, found.usable) for each, found in closer if found.usable)
    if hosts:
        return hosts, None
    if any(not found.complete for _, found in closer):
        return (), RoutingFailure.UNANSWERED
    loops = own or any(Use.LOOPBACK in found.uses for _, found in closer)
    return (), RoutingFailure.LOOP if loops else RoutingFailure.NO_ADDRESS


def literal_address(domain: str) -> str | None:
    """The IP address of an address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3)."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inside = domain[1:-1]
    try:
        if inside[:5].lower() == "ipv6:":
            return str(ipaddress.IPv6Address(inside[5:]))
        return str(ipaddress.ip_address(inside))
    except ValueError:
        return None
