"""Where mail for a domain goes: hosts in the order in which they are tried (RFC 5321 section 5.1). Pure."""

import ipaddress
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from mailyard.relay.nexthop import Policy
from mailyard.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class MailExchanger:
    """One MX record."""

    preference: int
    host: str  # lower case, without the final dot; empty: the root, which takes no mail


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
    """A null MX: the domain says that it takes no mail (RFC 7505 section 3)."""
    return len(exchangers) == 1 and not exchangers[0].host


def leads_back(address: str, own_addresses: Collection[str]) -> bool:
    """Whether a host of the DNS with this address is ourselves, or no host at all."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    nobody = parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local
    return nobody or str(parsed) in own_addresses


def literal_address(domain: str) -> str | None:
    """The IP address of an address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3)."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inside = domain[1:-1]
    text = inside[5:] if inside[:5].lower() == "ipv6:" else inside
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
