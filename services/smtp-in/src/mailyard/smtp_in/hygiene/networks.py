"""What an address is counted as by limits and greylisting. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from mailyard.directory.attempts import ClientNetwork, client_of
from mailyard.listening.address import parse_ip

Networks = Sequence[IPv4Network | IPv6Network]


@lru_cache(maxsize=8192)
def counted_as(ip: str) -> ClientNetwork:
    """Return one customer (IPv4 /32, IPv6 /64) and the network around it (/24, /48)."""
    return client_of(ip)


def sending_network(ip: str) -> str:
    """Return the network whose hosts send the same mail: IPv4 /24, IPv6 /64."""
    counted = counted_as(ip)
    return counted.address if ":" in counted.address else counted.network


def is_within(ip: str, networks: Networks) -> bool:
    """Say whether an address is in one of the networks."""
    address = parse_ip(ip)
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )
