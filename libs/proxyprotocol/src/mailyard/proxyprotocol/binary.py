"""Version 2: sixteen octets, addresses, then extensions of type, length and value (proxy-protocol.txt, section 2.2).

Extensions are walked over within their bounds and not kept: TLS ends at Mailyard, not at the proxy, so nothing that
they tell would be believed. The one that is looked into is the checksum.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mailyard.proxyprotocol.checksum import crc32c
from mailyard.proxyprotocol.header import Header, Malformed, Peer

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MOST_OCTETS = 4096  # a limit of this parser: a header without a client's certificate takes a few hundred

_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21  # version 2 in the upper half
_CRC32C = 0x03
_CRC32C_OCTETS = 4
_EXTENSION_HEAD = 3


@dataclass(frozen=True, slots=True)
class _Layout:
    """The address block of one family and transport; `address` is None where it names no IP address of a stream."""

    octets: int
    address: type[IPv4Address | IPv6Address] | None = None


_UNIX = _Layout(216)
_LAYOUTS = {
    0x00: _Layout(0),  # unspecified
    0x11: _Layout(12, IPv4Address),
    0x12: _Layout(12),  # datagrams do not come by TCP: as if unspecified
    0x21: _Layout(36, IPv6Address),
    0x22: _Layout(36),
    0x31: _UNIX,
    0x32: _UNIX,
}


def parse_block(octets: bytes) -> Header | None:
    """Parse octets that begin with `SIGNATURE`; None while the header is incomplete. Raises Malformed."""
    if len(octets) > len(SIGNATURE) and octets[len(SIGNATURE)] not in (_LOCAL, _PROXY):
        raise Malformed("neither PROXY nor LOCAL of version 2")
    if len(octets) < _FIXED:
        return None
    command, kind, length = struct.unpack_from("!BBH", octets, len(SIGNATURE))
    size = _FIXED + length
    if size > MOST_OCTETS:
        raise Malformed(f"{size} octets long; {MOST_OCTETS} are taken at most")
    if len(octets) < size:
        return None
    if command == _LOCAL:  # the block is to be discarded, its family included
        return Header(version=2, size=size, is_local=True)
    return _proxied(octets[:size], kind)


def _proxied(octets: bytes, kind: int) -> Header:
    layout = _LAYOUTS.get(kind)
    if layout is None:
        raise Malformed(f"unknown family and transport 0x{kind:02x}")
    extensions = _FIXED + layout.octets
    if len(octets) < extensions:
        raise Malformed("too short for the addresses of its family")
    for start, tag, value in _extensions(octets, extensions):
        if tag == _CRC32C:
            _check(octets, start, value)
    if layout.address is None:
        return Header(version=2, size=len(octets))
    return _with_peers(octets, layout.address)


def _with_peers(octets: bytes, family: type[IPv4Address | IPv6Address]) -> Header:
    width = 4 if family is IPv4Address else 16
    source, destination, source_port, destination_port = struct.unpack_from(
        f"!{width}s{width}sHH", octets, _FIXED
    )
    return Header(
        version=2,
        size=len(octets),
        source=Peer(family(source), source_port),
        destination=Peer(family(destination), destination_port),
    )


def _extensions(octets: bytes, position: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each value starts, its type, and the value."""
    while position < len(octets):
        start = position + _EXTENSION_HEAD
        if start > len(octets):
            raise Malformed("an extension is cut off")
        tag, length = struct.unpack_from("!BH", octets, position)
        position = start + length
        if position > len(octets):
            raise Malformed("an extension is longer than the header")
        yield start, tag, octets[start:position]


def _check(octets: bytes, start: int, given: bytes) -> None:
    """Check the checksum of the whole header, with its own octets as zeros (section 2.2.3)."""
    if len(given) != _CRC32C_OCTETS:
        raise Malformed("the checksum does not have four octets")
    blank = octets[:start] + bytes(_CRC32C_OCTETS) + octets[start + _CRC32C_OCTETS :]
    if crc32c(blank) != int.from_bytes(given, "big"):
        raise Malformed("the checksum is wrong")
