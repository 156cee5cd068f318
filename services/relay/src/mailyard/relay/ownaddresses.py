"""The addresses at which this installation is reached: as configured, of its own names, of this host's interfaces."""

import array
import asyncio
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from mailyard.relay.addresses import Address, parse_addresses

_IF_INET6: Final = Path("/proc/net/if_inet6")
_SIOCGIFCONF: Final = 0x8912
_IFREQ: Final = 40  # octets
_MOST_INTERFACES: Final = 256
_REFRESH_SECONDS: Final = 300.0

LookUp = Callable[[str], Awaitable[Collection[str]]]


class OwnAddresses:
    """`names` are looked up every five minutes; an answer that fails leaves the last one in force."""

    def __init__(
        self, configured: Collection[str], names: Collection[str], look_up: LookUp, clock: Callable[[], float]
    ) -> None:
        """`clock`: monotonic seconds. `look_up`: a name's addresses, none when nobody answers."""
        self._fixed = parse_addresses(configured)
        self._names = tuple(names)
        self._look_up = look_up
        self._clock = clock
        self._by_name: dict[str, frozenset[Address]] = {}
        self._refreshed: float | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._answered = False

    async def known(self) -> frozenset[Address]:
        """Return all of them. Only the first call waits for the DNS; later answers are used when they have come."""
        now = self._clock()
        if self._refreshed is None or now - self._refreshed >= _REFRESH_SECONDS:
            self._refreshed = now
            self._refreshing = asyncio.create_task(self._refresh(), name="own-addresses")
        if not self._answered and self._refreshing is not None:
            await asyncio.shield(self._refreshing)
        return self._fixed.union(*self._by_name.values())

    async def _refresh(self) -> None:
        found = await asyncio.gather(*(self._look_up(name) for name in self._names))
        for name, addresses in zip(self._names, found, strict=True):
            if addresses:
                self._by_name[name] = parse_addresses(addresses)
        self._answered = True


def interface_addresses(if_inet6: Path = _IF_INET6) -> frozenset[Address]:
    """The addresses of this host's network interfaces except loopback, as Linux says them; else none."""
    return frozenset((*_four(), *_six(if_inet6)))


def _four() -> Iterator[Address]:
    """Read the list of `struct ifreq`: 16 octets of name, then a `sockaddr_in`; 40 octets each (netdevice(7))."""
    room = array.array("B", bytes(_MOST_INTERFACES * _IFREQ))
    wanted = struct.pack("iL", len(room), room.buffer_info()[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            used, _ = struct.unpack("iL", fcntl.ioctl(asking.fileno(), _SIOCGIFCONF, wanted))
    except OSError:
        return
    octets = room.tobytes()
    for start in range(0, used, _IFREQ):
        name = octets[start : start + 16].split(b"\0", 1)[0].split(b":", 1)[0]
        if name != b"lo":
            yield ipaddress.IPv4Address(octets[start + 20 : start + 24])


def _six(if_inet6: Path) -> Iterator[Address]:
    """Each line begins with an address of 32 hexadecimal digits and ends with the name of the interface."""
    try:
        lines = if_inet6.read_text().splitlines()
    except OSError:
        return
    for words in (line.split() for line in lines):
        if words[-1] != "lo":
            yield ipaddress.IPv6Address(int(words[0], 16))
