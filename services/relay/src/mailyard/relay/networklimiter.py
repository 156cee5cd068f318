"""Limit connections to one address and to one network, whatever the names of the hosts are. Pure."""

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import Final

from mailyard.relay.addresses import embedded

_BITS: Final = {4: (32, 24), 6: (64, 48)}  # an address and a network: IPv6 gives a /64 to each customer


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """Connections to one address (IPv6: /64), and to one network (IPv4: /24, IPv6: /48)."""

    address: int = 20
    network: int = 50


class NetworkLimiter:
    """Count open connections, those that are being opened included."""

    def __init__(self, limits: NetworkLimits) -> None:
        self._most = (limits.address, limits.network)
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Count one connection more, unless there are as many as there may be."""
        keys = _keys(address)
        if any(self._taken[key] >= most for key, most in zip(keys, self._most, strict=True)):
            return False
        self._taken.update(keys)
        return True

    def free(self, address: str) -> None:
        """One connection less."""
        for key in _keys(address):
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]


def _keys(address: str) -> tuple[str, str]:
    parsed = embedded(ipaddress.ip_address(address))
    narrow, wide = (ipaddress.ip_network((parsed, bits), strict=False) for bits in _BITS[parsed.version])
    return f"address {narrow}", f"network {wide}"
