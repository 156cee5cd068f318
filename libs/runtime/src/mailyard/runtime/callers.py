"""Who has opened a connection: a client itself, a client by way of a balancer, or a balancer for itself."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class Caller:
    """`address` is what policy, limits, logs and Received fields use.

    `is_direct`: nobody stands between, so the address is as true as TCP. `is_named`: it is a client's address; where a
    balancer calls for itself or for nobody in particular, it is the balancer's, and says nothing about a client.
    """

    address: str
    is_direct: bool = True
    is_named: bool = True

    @property
    def counted_as(self) -> str | None:
        """The address whose connections are limited; None for a balancer, which stands for many."""
        return self.address if self.is_named else None

    @property
    def is_on_loopback(self) -> bool:
        """Whether the client runs on this machine; what a header claims is no proof of that."""
        return self.is_direct and (address := parsed(self.address)) is not None and address.is_loopback


@lru_cache(maxsize=4096)
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address as it is shown and counted: IPv4 within IPv6 as IPv4 (RFC 4291 section 2.5.5.2)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def direct(peername: tuple[str, int] | None) -> Caller:
    """Return who is at the other end of a socket; `peername` as the socket says it, None where it is gone already."""
    if not peername:
        return Caller("")
    host = peername[0]
    return Caller(str(parsed(host) or host))
