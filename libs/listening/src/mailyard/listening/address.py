"""The address of a client, and how far it can be trusted."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The IP address that policy, limits, logs and Received fields use.

    `is_direct`: there is no load balancer in between, so the address is as true as TCP. `is_named`: the address is a
    client's; where a load balancer connects for itself or names no client, it is the load balancer's own.
    """

    ip: str
    is_direct: bool = True
    is_named: bool = True

    @property
    def counted_ip(self) -> str | None:
        """The address whose connections are limited; None for a load balancer, which connects for many clients."""
        return self.ip if self.is_named else None

    @property
    def is_on_loopback(self) -> bool:
        """Whether the client runs on this machine; the claim of a PROXY header is no proof of that."""
        return self.is_direct and (address := parse_ip(self.ip)) is not None and address.is_loopback


@lru_cache(maxsize=4096)
def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address as it is shown and counted: IPv4 within IPv6 as IPv4 (RFC 4291 section 2.5.5.2)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def address_of(peername: tuple[str, int] | None) -> ClientAddress:
    """Return the address at the other end of a socket; `peername` is None where the client is gone already."""
    if not peername:
        return ClientAddress("")
    host = peername[0]
    return ClientAddress(str(parse_ip(host) or host))
