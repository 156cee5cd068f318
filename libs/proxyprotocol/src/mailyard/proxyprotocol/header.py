"""A parsed header, and the two errors of octets that are none."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

IpAddress = IPv4Address | IPv6Address


class HeaderError(ValueError):
    """The octets cannot become a header, whatever follows them: the connection must be closed."""


class NotAHeader(HeaderError):
    """The octets begin with something else: the peer does not speak the PROXY protocol."""


class Malformed(HeaderError):
    """The octets begin as a header does and then break its rules."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of the connection that the proxy accepted."""

    address: IpAddress
    port: int


@dataclass(frozen=True, slots=True)
class Header:
    """A complete header: `size` octets, of version 1 or 2.

    `source` is who connected to the proxy and `destination` where; both are None where the proxy speaks for itself
    (`is_local`: a health check) or for somebody without an IP address: the real ends of the connection count then.
    """

    version: int
    size: int
    source: Peer | None = None
    destination: Peer | None = None
    is_local: bool = False
