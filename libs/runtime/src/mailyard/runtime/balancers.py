"""From which networks balancers call, as settings say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from mailyard.runtime.callers import Caller, parsed

Network = IPv4Network | IPv6Network
_HEADER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Balancers:
    """The networks from which only balancers call, and how long their PROXY headers may take."""

    networks: Sequence[Network] = ()
    header_seconds: float = _HEADER_SECONDS

    def include(self, caller: Caller) -> bool:
        """Whether this caller must send a header."""
        address = parsed(caller.address)
        return address is not None and any(address in network for network in self.networks)


class ProxySettings(BaseModel):
    """For services that may stand behind a balancer: mix it in before CommonSettings."""

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

    def balancers(self) -> Balancers:
        """Return them as listeners take them."""
        return Balancers(tuple(_network(text) for text in self.proxy_networks), self.proxy_header_seconds)


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
