"""The networks of load balancers that send PROXY headers: settings of services that may stand behind one."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from mailyard.listening.address import ClientAddress, parse_ip


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"no network like 10.0.0.0/24 or 2001:db8::/64: {error}") from error
    if network.prefixlen == 0:
        raise ValueError(
            f"{text} is everybody, and whoever sends a header can claim any address: name the balancers' networks"
        )
    return network


class ProxySettings(BaseModel):
    """Mixed in before CommonSettings."""

    proxy_networks: tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...] = Field(
        default=(),
        description="Networks of balancers, for instance 10.0.0.0/24, comma-separated: connections from there must"
        " begin with a PROXY header, version 1 or 2, on every listener; empty: off.",
    )
    proxy_header_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0, description="How long a balancer may take to send its PROXY header."
    )

    def is_proxy(self, client: ClientAddress) -> bool:
        """Whether a connection from this address must begin with a header."""
        address = parse_ip(client.ip)
        return address is not None and any(address in network for network in self.proxy_networks)
