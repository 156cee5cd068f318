"""Version 2: the block, its extensions, its checksum, and its bounds."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.proxyprotocol.checksum import crc32c
from mailyard.proxyprotocol.header import Header, HeaderError, Malformed, NotAHeader, Peer
from mailyard.proxyprotocol.parse import MOST_OCTETS, parse_header

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
IPV4 = SIGNATURE + bytes.fromhex("21 11 000c  c0000207 c6336401 dc04 0019")
IPV6 = SIGNATURE + bytes.fromhex(
    "21 21 0024  20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 03e1"
)


def block(command, kind, payload):
    return SIGNATURE + struct.pack("!BBH", command, kind, len(payload)) + payload


def extension(tag, value):
    return struct.pack("!BH", tag, len(value)) + value


def summed(header_without):
    """Append a right checksum to a block."""
    payload = header_without[16:] + extension(0x03, bytes(4))
    whole = header_without[:14] + struct.pack("!H", len(payload)) + payload
    return whole[:-4] + struct.pack("!I", crc32c(whole))


def test_a_block_of_ipv4_names_both_ends():
    assert parse_header(IPV4 + b"EHLO client.test\r\n") == Header(
        version=2,
        size=28,
        source=Peer(IPv4Address("192.0.2.7"), 56324),
        destination=Peer(IPv4Address("198.51.100.1"), 25),
    )


def test_a_block_of_ipv6_names_both_ends():
    assert parse_header(IPV6 + b"\x16\x03\x01") == Header(
        version=2,
        size=52,
        source=Peer(IPv6Address("2001:db8::7"), 56324),
        destination=Peer(IPv6Address("2001:db8::1"), 993),
    )


@pytest.mark.parametrize("kind", [0x00, 0x11, 0x31, 0xFF])
def test_a_local_block_names_nobody_and_its_contents_are_dropped(kind):
    octets = block(0x20, kind, b"\xff" * 40)
    assert parse_header(octets) == Header(version=2, size=56, is_local=True)


def test_the_empty_local_block_of_a_health_check_is_read():
    assert parse_header(SIGNATURE + bytes.fromhex("20 00 0000")) == Header(2, 16, is_local=True)


@pytest.mark.parametrize(("kind", "octets"), [(0x00, 0), (0x31, 216), (0x32, 216), (0x12, 12), (0x22, 36)])
def test_families_without_an_ip_address_of_a_stream_name_nobody(kind, octets):
    assert parse_header(block(0x21, kind, b"/" * octets)) == Header(2, 16 + octets)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (SIGNATURE + b"\x11", "neither PROXY nor LOCAL of version 2"),
        (SIGNATURE + b"\x22", "neither PROXY nor LOCAL of version 2"),
        (block(0x21, 0x41, b""), "unknown family and transport 0x41"),
        (block(0x21, 0x13, bytes(12)), "unknown family and transport 0x13"),
        (block(0x21, 0x11, bytes(11)), "too short for the addresses"),
        (block(0x21, 0x21, bytes(35)), "too short for the addresses"),
        (block(0x21, 0x31, bytes(215)), "too short for the addresses"),
        (block(0x21, 0x11, bytes(12) + b"\x04"), "an extension is cut off"),
        (block(0x21, 0x11, bytes(12) + b"\x04\x00"), "an extension is cut off"),
        (block(0x21, 0x11, bytes(12) + b"\x04\x00\x01"), "an extension is longer than the header"),
        (block(0x21, 0x00, b"\x04\xff\xff"), "an extension is longer than the header"),
        (block(0x21, 0x11, bytes(12) + extension(0x03, bytes(3))), "does not have four octets"),
        (block(0x21, 0x11, bytes(12) + extension(0x03, bytes(4))), "the checksum is wrong"),
        (SIGNATURE + bytes.fromhex("21 11 0ff1"), "4097 octets long; 4096 are taken at most"),
        (SIGNATURE + bytes.fromhex("20 00 ffff"), "65551 octets long; 4096 are taken at most"),
    ],
)
def test_a_block_that_breaks_the_rules_is_malformed(octets, reason):
    with pytest.raises(Malformed, match=reason):
        parse_header(octets)


def test_other_octets_are_no_header_as_soon_as_they_differ():
    assert parse_header(SIGNATURE[:11]) is None
    with pytest.raises(NotAHeader):
        parse_header(SIGNATURE[:11] + b"\r")


def test_the_longest_block_is_taken_and_no_more_is_asked_for():
    octets = block(0x21, 0x00, extension(0x04, bytes(MOST_OCTETS - 19)))
    assert len(octets) == MOST_OCTETS
    assert parse_header(octets) == Header(2, MOST_OCTETS)


def test_the_checksum_is_castagnolis():
    """RFC 3720, appendix B.4, and the check value of the usual catalogues."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_a_right_checksum_is_accepted_and_a_wrong_octet_is_seen():
    octets = summed(IPV4)
    read = parse_header(octets)
    assert read is not None
    assert (read.size, read.source) == (35, Peer(IPv4Address("192.0.2.7"), 56324))
    addresses, checksum = range(16, 28), range(31, 35)
    for position in (*addresses, *checksum):
        broken = bytearray(octets)
        broken[position] ^= 1 << position % 8
        with pytest.raises(Malformed):
            parse_header(bytes(broken))


ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
)
PORTS = st.integers(0, 65_535)
EXTENSIONS = st.lists(
    st.tuples(st.integers(0, 255).filter(lambda tag: tag != 0x03), st.binary(max_size=60)), max_size=5
)


@given(ADDRESSES, st.tuples(PORTS, PORTS), EXTENSIONS, st.booleans(), st.binary(max_size=100))
def test_what_a_proxy_writes_is_read_and_what_follows_is_left(ends, ports, extensions, is_summed, rest):
    (source, destination), (source_port, destination_port) = ends, ports
    payload = source.packed + destination.packed + struct.pack("!HH", source_port, destination_port)
    payload += b"".join(extension(*each) for each in extensions)
    octets = block(0x21, 0x11 if source.version == 4 else 0x21, payload)
    octets = summed(octets) if is_summed else octets
    assert parse_header(octets + rest) == Header(
        2, len(octets), Peer(source, source_port), Peer(destination, destination_port)
    )
    assert all(parse_header(octets[:length]) is None for length in range(len(octets)))


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", SIGNATURE, SIGNATURE + b"\x21", SIGNATURE + b"\x20\x11\x00"]),
)
def test_no_octets_do_more_than_become_a_header_wait_or_fail(tail, head):
    octets = head + tail
    try:
        header = parse_header(octets)
    except HeaderError:
        return
    if header is None:
        assert len(octets) < MOST_OCTETS
    else:
        assert 15 <= header.size <= len(octets)
