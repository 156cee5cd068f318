r"""Version 1: one line of text (proxy-protocol.txt, section 2.1).

"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n"; "PROXY UNKNOWN" with anything behind it names nobody.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from mailyard.proxyprotocol.header import Header, IpAddress, Malformed, Peer

SIGNATURE = b"PROXY "
MOST_OCTETS = 107  # CRLF included: what the longest IPv6 line takes

_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)
_FAMILIES: dict[str, type[IPv4Address | IPv6Address]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}


def parse_line(octets: bytes) -> Header | None:
    """Parse octets that begin with `SIGNATURE`; None while the line is incomplete. Raises Malformed."""
    end = octets.find(b"\n", 0, MOST_OCTETS)
    if end < 0:
        if len(octets) >= MOST_OCTETS:
            raise Malformed(f"no line end within {MOST_OCTETS} octets")
        return None
    if octets[end - 1 : end] != b"\r":
        raise Malformed("the line does not end with CR LF")
    return _header(octets[: end - 1], end + 1)


def _header(line: bytes, size: int) -> Header:
    if _UNKNOWN.fullmatch(line):
        return Header(version=1, size=size)
    try:
        _, protocol, source, destination, source_port, destination_port = line.decode("ascii").split(" ")
        family = _FAMILIES[protocol]
    except (ValueError, KeyError) as error:
        raise Malformed("the line is not PROXY TCP4, TCP6 or UNKNOWN with two addresses and ports") from error
    return Header(
        version=1,
        size=size,
        source=Peer(_address(family, source), _port(source_port)),
        destination=Peer(_address(family, destination), _port(destination_port)),
    )


def _address(family: type[IPv4Address | IPv6Address], text: str) -> IpAddress:
    try:
        address = family(text)
    except AddressValueError as error:
        raise Malformed("an address is not of the family that the line names") from error
    if "%" in text:
        raise Malformed("an address has a scope, which means nothing here")
    return address


def _port(text: str) -> int:
    if _PORT.fullmatch(text) is None or int(text) > 65_535:
        raise Malformed("a port is not a number up to 65535")
    return int(text)
