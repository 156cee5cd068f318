"""What a header says, and the two ways in which octets can fail to be one."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

IpAddress = IPv4Address | IPv6Address


class HeaderError(ValueError):
    """The octets cannot become a header, whatever follows them: the connection must be closed."""


class NotAHeader(HeaderError):
    """They begin with something else: who calls does not speak the PROXY protocol."""


class Malformed(HeaderError):
    """They begin as a header does and then break its rules."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of the connection that the proxy took."""

    address: IpAddress
    port: int


@dataclass(frozen=True, slots=True)
class Header:
    """A whole header: `size` octets, of version 1 or 2.

    `source` is who connected to the proxy and `destination` where; both are None where the proxy speaks for itself
    (`is_local`: a health check) or for somebody without an IP address: the real ends of the connection count then.
    """

    version: int
    size: int
    source: Peer | None = None
    destination: Peer | None = None
    is_local: bool = False
