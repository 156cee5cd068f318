"""The addresses at which this installation is reached."""

import asyncio
import ipaddress
from pathlib import Path

from mailyard.relay.addresses import parse_addresses
from mailyard.relay.ownaddresses import OwnAddresses, interface_addresses


class Names:
    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {"us.example": ["192.0.2.1", "::ffff:192.0.2.2"]}
        self.asked = 0

    async def look_up(self, name: str) -> list[str]:
        self.asked += 1
        return self.addresses.get(name, [])


async def test_names_are_looked_up_every_five_minutes_and_the_last_answer_stays() -> None:
    names, now = Names(), 0.0
    own = OwnAddresses(["2001:db8::1"], ["us.example", "other.example"], names.look_up, lambda: now)
    expected = parse_addresses(["2001:db8::1", "192.0.2.1", "192.0.2.2"])
    assert await own.known() == expected
    now = 299.0
    await own.known()
    assert names.asked == 2
    names.addresses = {}
    now = 300.0
    assert await own.known() == expected
    await asyncio.sleep(0.01)
    assert names.asked == 4
    assert await own.known() == expected
    names.addresses = {"us.example": ["192.0.2.3"]}
    now = 600.0
    await own.known()
    await asyncio.sleep(0.01)
    assert await own.known() == parse_addresses(["2001:db8::1", "192.0.2.3"])


def test_addresses_of_interfaces_are_known_without_those_of_loopback(tmp_path: Path) -> None:
    table = tmp_path / "if_inet6"
    table.write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "20010db8000000000000000000000007 02 40 00 80     eth0\n"
    )
    found = interface_addresses(table)
    assert ipaddress.ip_address("2001:db8::7") in found
    assert not any(address.is_loopback for address in found)
    assert ipaddress.ip_address("2001:db8::7") not in interface_addresses(tmp_path / "none")
