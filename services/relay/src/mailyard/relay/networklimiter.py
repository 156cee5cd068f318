"""Limit connections to one address and to one network, whatever the names of the hosts are."""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailyard.relay.addresses import embedded
from mailyard.relay.busy import AddressesBusy, Stopping
from mailyard.relay.site import WaitingLegs

_BITS: Final = {4: (32, 24), 6: (64, 48)}  # an address and a network: IPv6 gives a /64 to each customer
NetworkKeys = tuple[str, str]  # an address and its network, as they are counted


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """Connections to one address (IPv6: /64), and to one network (IPv4: /24, IPv6: /48).

    `waiting`: legs that may wait for a connection to one network.
    """

    address: int = 20
    network: int = 50
    waiting: int = 500


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    places: tuple[NetworkKeys, ...]
    turn: asyncio.Future[None]


class NetworkLimiter:
    """Count open connections, those that are being opened and those that are idle included."""

    def __init__(self, limits: NetworkLimits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()
        self._waiters: dict[str, dict[_Waiter, None]] = {}  # by network, in order of arrival

    def take(self, address: str) -> bool:
        """Count one connection more, unless there are as many as there may be."""
        keys = network_keys(address)
        if self.full_key(keys) is not None:
            return False
        self._taken.update(keys)
        return True

    def free(self, address: str) -> None:
        """Count one connection less; the first leg that waits and has room now tries again."""
        keys = network_keys(address)
        for key in keys:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]
        for waiter in self._waiters.get(keys[1], ()):
            if not waiter.turn.done() and any(self.full_key(each) is None for each in waiter.places):
                waiter.turn.set_result(None)
                return

    def full_key(self, keys: NetworkKeys) -> str | None:
        """Return what has as many connections as it may have: the address, else the network, else None."""
        address, network = keys
        if self._taken[address] >= self._limits.address:
            return address
        return network if self._taken[network] >= self._limits.network else None

    def is_awaited(self, keys: NetworkKeys) -> bool:
        """Tell whether legs wait for a connection to this network."""
        return keys[1] in self._waiters

    async def wait(self, addresses: Sequence[str], seconds: float, lines: WaitingLegs) -> None:
        """Wait until one of the addresses has room; the caller may find it taken again.

        Raises:
            AddressesBusy: that takes longer than `seconds`, or too many legs wait already.
            Stopping: relay stops.

        """
        places = tuple(map(network_keys, addresses))
        if any(self.full_key(each) is None for each in places):
            return
        networks = {network for _, network in places}
        longest = max(len(self._waiters.get(network, ())) for network in networks)
        if longest >= self._limits.waiting or (lines.full and longest >= self._limits.address):
            raise AddressesBusy(addresses, "all connections to the host's addresses are in use")
        waiter = _Waiter(places, asyncio.get_running_loop().create_future())
        for network in networks:
            self._waiters.setdefault(network, {})[waiter] = None
        lines.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await waiter.turn
        except TimeoutError:
            reason = "all connections to the host's addresses were in use for too long"
            raise AddressesBusy(addresses, reason) from None
        finally:
            lines.waiting -= 1
            for network in networks:
                self._forget(network, waiter)

    def dismiss(self) -> None:
        """Reject all legs that wait, because relay stops."""
        for waiter in [each for line in self._waiters.values() for each in line]:
            if not waiter.turn.done():
                waiter.turn.set_exception(Stopping("relay is stopping"))

    def _forget(self, network: str, waiter: _Waiter) -> None:
        del self._waiters[network][waiter]
        if not self._waiters[network]:
            del self._waiters[network]


def network_keys(address: str) -> NetworkKeys:
    """Name the address and the network under which connections to an address count."""
    parsed = embedded(ipaddress.ip_address(address))
    narrow, wide = (ipaddress.ip_network((parsed, bits), strict=False) for bits in _BITS[parsed.version])
    return f"address {narrow}", f"network {wide}"
