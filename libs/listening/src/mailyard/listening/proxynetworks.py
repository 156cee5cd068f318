"""The networks of load balancers that send PROXY headers, and their settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from mailyard.listening.address import ClientAddress, parse_ip

Network = IPv4Network | IPv6Network
_HEADER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ProxyNetworks:
    """The networks from which only load balancers connect, and how long their PROXY headers may take."""

    networks: Sequence[Network] = ()
    header_seconds: float = _HEADER_SECONDS

    def include(self, client: ClientAddress) -> bool:
        """Whether a connection from this address must begin with a header."""
        address = parse_ip(client.ip)
        return address is not None and any(address in network for network in self.networks)


class ProxySettings(BaseModel):
    """Settings of services that may stand behind a load balancer; mixed in before CommonSettings."""

    proxy_networks: tuple[str, ...] = Field(
        default=(),
        description="Networks of balancers, for instance 10.0.0.0/24, comma-separated: connections from there must"
        " begin with a PROXY header, version 1 or 2, on every listener; empty: off.",
    )
    proxy_header_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=_HEADER_SECONDS, description="How long a balancer may take to send its PROXY header."
    )

    @field_validator("proxy_networks")
    @classmethod
    def _networks_are_readable(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            _network(text)
        return texts

    def proxies(self) -> ProxyNetworks:
        """Return the networks as listeners take them."""
        return ProxyNetworks(tuple(_network(text) for text in self.proxy_networks), self.proxy_header_seconds)


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"no network like 10.0.0.0/24 or 2001:db8::/64: {error}") from error
    if network.prefixlen == 0:
        raise ValueError(
            f"{text} is everybody, and whoever sends a header can claim any address: name the balancers' networks"
        )
    return network
