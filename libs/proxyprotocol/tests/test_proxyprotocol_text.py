"""Version 1: the line, its bounds, and what is no line."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.proxyprotocol.header import Header, Malformed, NotAHeader, Peer
from mailyard.proxyprotocol.parse import parse_header

PORTS = st.integers(0, 65_535)
LONGEST = b"PROXY TCP6 " + b" ".join([b":".join([b"ffff"] * 8)] * 2) + b" 65535 65535\r\n"


def test_a_line_of_ipv4_names_both_ends():
    line = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n"
    assert parse_header(line + b"EHLO client.test\r\n") == Header(
        version=1,
        size=len(line),
        source=Peer(IPv4Address("192.0.2.7"), 56324),
        destination=Peer(IPv4Address("198.51.100.1"), 25),
    )


def test_a_line_of_ipv6_names_both_ends():
    line = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 993\r\n"
    assert parse_header(line) == Header(
        version=1,
        size=len(line),
        source=Peer(IPv6Address("2001:db8::7"), 56324),
        destination=Peer(IPv6Address("2001:db8::1"), 993),
    )


@pytest.mark.parametrize(
    "line", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"]
)
def test_an_unknown_line_names_nobody_whatever_it_says(line):
    assert parse_header(line) == Header(version=1, size=len(line))


def test_the_longest_line_is_taken():
    assert len(LONGEST) < 107
    assert parse_header(LONGEST) is not None
    padded = b"PROXY UNKNOWN " + b"x" * (107 - 16) + b"\r\n"
    assert len(padded) == 107
    assert parse_header(padded) == Header(version=1, size=107)


def test_a_longer_line_is_malformed_as_soon_as_it_is_too_long():
    line = b"PROXY UNKNOWN " + b"x" * (107 - 14)
    assert parse_header(line[:106]) is None
    with pytest.raises(Malformed, match="no line end within 107 octets"):
        parse_header(line)
    with pytest.raises(Malformed, match="no line end within 107 octets"):
        parse_header(line + b"\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 \xc2\xb2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\r\n",
        b"PROXY UNKNOWN a\rb\r\n",
    ],
)
def test_a_line_that_breaks_the_rules_is_malformed(line):
    with pytest.raises(Malformed):
        parse_header(line)


@pytest.mark.parametrize(
    "octets", [b"E", b"PROXZ", b"proxy TCP4", b"\n", b"\x16\x03\x01", b"PROXY\r\n", b"P\r"]
)
def test_other_octets_are_no_header_at_once(octets):
    with pytest.raises(NotAHeader):
        parse_header(octets)


@given(
    st.one_of(
        st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
        st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
    ),
    PORTS,
    PORTS,
    st.binary(max_size=200),
)
def test_what_a_proxy_writes_is_read_and_what_follows_is_left(ends, source_port, destination_port, rest):
    source, destination = ends
    line = f"PROXY TCP{source.version} {source} {destination} {source_port} {destination_port}\r\n".encode()
    assert parse_header(line + rest) == Header(
        1, len(line), Peer(source, source_port), Peer(destination, destination_port)
    )
    assert all(parse_header(line[:length]) is None for length in range(len(line)))


@given(st.binary(max_size=150).map(lambda tail: b"PROXY " + tail))
def test_no_octets_behind_the_signature_do_more_than_become_a_header_wait_or_fail(octets):
    try:
        header = parse_header(octets)
    except Malformed:
        return
    if header is None:
        assert len(octets) < 107
        assert b"\n" not in octets
    else:
        assert octets[header.size - 2 : header.size] == b"\r\n"
        if header.source is not None:
            assert ip_address(str(header.source.address)) == header.source.address
