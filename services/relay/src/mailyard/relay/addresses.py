"""Which addresses the relay may dial when the DNS or an address literal names them. Pure.

The DNS of a stranger must not lead the relay into private networks or to services of this machine. Addresses that
stand for an IPv4 address (mapped, translated by NAT64, 6to4) are judged by that address.
"""

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_THIS_HOST: Final = _networks("127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128")
"""Loopback and the unspecified address, which Linux connects to loopback."""

_NO_HOST: Final = _networks("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "ff00::/8")
"""Never the address of one host: this network (RFC 1122 section 3.2.1.3), multicast, broadcast."""

_PRIVATE: Final = _networks(
    "10.0.0.0/8",  # RFC 1918
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # shared address space of carriers (RFC 6598)
    "127.0.0.0/8",
    "169.254.0.0/16",  # stream-local (RFC 3927), metadata services of clouds
    "192.0.0.0/24",  # protocol assignments (RFC 6890)
    "198.18.0.0/15",  # benchmarks (RFC 2544)
    "240.0.0.0/4",  # reserved (RFC 1112)
    "::/96",  # loopback, and the deprecated form of IPv4 addresses (RFC 4291 section 2.5.5.1)
    "fc00::/7",  # unique local (RFC 4193)
    "fe80::/10",  # stream-local (RFC 4291)
    "fec0::/10",  # site-local (RFC 3879)
    "64:ff9b:1::/48",  # translation within a site (RFC 8215)
    "100::/64",  # discard only (RFC 6666)
    "2001::/32",  # Teredo (RFC 4380)
    "2001:2::/48",  # benchmarks (RFC 5180)
    "5f00::/16",  # segment routing (RFC 9602)
)
"""Refused unless a setting lists them. Networks for documentation (RFC 5737, RFC 3849) lead nowhere: no need."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_TRANSLATED: Final = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_LOW_32_BITS: Final = 0xFFFFFFFF


class Use(Enum):
    """How an address may be used."""

    USABLE = auto()
    OURSELVES = auto()  # our own MX
    LOOPBACK = auto()  # this machine, by a record that nobody should have
    USELESS = auto()  # no host, or one that the relay must not dial


@dataclass(frozen=True, slots=True)
class AddressRules:
    """`allowed`: private networks that may be dialled. `own`: addresses at which our own MX is reached."""

    allowed: Collection[Network] = ()
    own: frozenset[Address] = field(default_factory=frozenset)

    def use_of(self, text: str) -> Use:
        """Judge an address as the DNS or a literal gives it. Raises ValueError for what is no address."""
        given = ipaddress.ip_address(text)
        address = embedded(given)
        if {given, address} & self.own:
            return Use.OURSELVES
        allowed = any(_within(each, self.allowed) for each in (given, address))
        if _within(address, _THIS_HOST):
            return Use.USABLE if allowed and not address.is_unspecified else Use.LOOPBACK
        if _within(address, _NO_HOST) or getattr(given, "scope_id", None):
            return Use.USELESS
        refused = any(_within(each, _PRIVATE) for each in (given, address))
        return Use.USELESS if refused and not allowed else Use.USABLE


def embedded(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:  # RFC 3056
        return address.sixtofour
    if address in _NAT64 or address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & _LOW_32_BITS)
    return address


def parse_addresses(texts: Iterable[str]) -> frozenset[Address]:
    """Read addresses; each stands for the IPv4 address within it. Raises ValueError."""
    return frozenset(embedded(ipaddress.ip_address(text)) for text in texts)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
