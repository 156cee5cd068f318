"""Messages that are expensive to parse: each has a name and its octets, with CRLF line ends, without a line of a single dot."""

from collections.abc import Iterator, Mapping

CRLF = b"\r\n"
_HEAD = b"From: <h@sender.test>\r\nTo: <all@hostile.test>\r\nSubject: hostile\r\nMIME-Version: 1.0\r\n"


def hostile_messages() -> Mapping[str, bytes]:
    """Return all of them by name; none is above 6 MB."""
    return dict(_messages())


def addresses_without_end(octets: int = 260_000) -> bytes:
    """A From field that is one address with ever more @."""
    return b"From: " + b"a@" * (octets // 2) + b"a\r\nSubject: addresses\r\n\r\nx\r\n"


def nested_messages(count: int = 1_000) -> bytes:
    """A multipart of many message/rfc822 parts."""
    part = b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: <a@b.test>\r\nSubject: inner\r\n\r\ntext\r\n"
    return _multipart(b"mixed", part * count)


def _messages() -> Iterator[tuple[str, bytes]]:
    yield "addresses without end", addresses_without_end()
    yield "1,000 message parts", nested_messages()
    yield "10,000 parts", _multipart(b"mixed", b"--b\r\n\r\nx\r\n" * 10_000)
    yield "500 levels of multipart", _levels(500)
    yield (
        "500 levels of message/rfc822",
        _HEAD + (b"Content-Type: message/rfc822\r\n\r\n" * 500) + b"\r\nx\r\n",
    )
    yield "100,000 header fields", _HEAD + b"X: y\r\n" * 100_000 + b"\r\nx\r\n"
    yield "a header field of 4 MB", _HEAD + b"X: " + (b"y" * 900 + b"\r\n ") * 4_500 + b"y\r\n\r\nx\r\n"
    yield "comments in comments", _HEAD + b"Cc: " + _folded(b"(", 100_000) + b"\r\n\r\nx\r\n"
    yield "20,000 addresses", _HEAD + b"Cc: " + b",\r\n ".join([b"n <a@b.test>"] * 20_000) + b"\r\n\r\nx\r\n"
    yield "groups in groups", _HEAD + b"Cc: " + _folded(b"g:", 100_000) + b";\r\n\r\nx\r\n"
    yield "10,000 encoded words", _HEAD + b"X-S: " + b"=?utf-8?q?a?=\r\n " * 10_000 + b"x\r\n\r\nx\r\n"
    yield (
        "encoded words of a long charset",
        (_HEAD + b"Subject: " + b"=?utf-7?b?" + b"K" * 60 + b"?=\r\n " * 1_000 + b"x\r\n\r\nx\r\n"),
    )
    yield "references without end", _HEAD + b"References: " + b"<a@b>\r\n " * 40_000 + b"\r\n\r\nx\r\n"
    yield (
        "parameters in pieces",
        (
            _HEAD
            + b"Content-Type: text/plain;"
            + b";".join(b"\r\n name*%d*=%%61" % number for number in range(10_000))
            + b"\r\n\r\nx\r\n"
        ),
    )
    yield "quoted strings that never end", _HEAD + b'Cc: "' + _folded(b'\\"', 100_000) + b"\r\n\r\nx\r\n"
    yield (
        "delimiters that are none",
        _multipart(b"mixed", (b"--" + b"b" * 60 + b"\r\n-" * 2 + b"-\r\n") * 30_000),
    )
    yield (
        "a long boundary",
        (
            _HEAD
            + b'Content-Type: multipart/mixed; boundary="'
            + b"b" * 900
            + b'"\r\n\r\n'
            + b"--b\r\n" * 200_000
        ),
    )
    yield (
        "junk in base64",
        (
            _HEAD
            + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + b"=A=\r\n" * 800_000
        ),
    )
    yield (
        "quoted-printable of =",
        (_HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + (b"=" * 70 + b"\r\n") * 50_000),
    )
    yield "UTF-7 text", _HEAD + b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+AGEAYg-\r\n" * 400_000
    yield (
        "two content types",
        (
            _HEAD
            + b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            + b"--b\r\n\r\nx\r\n" * 50
        ),
    )
    yield "NUL and 8-bit in the header", _HEAD + b"X: \x00\xff\xfe" * 10 + b"\r\n\r\nx\x00\xff\r\n"
    yield "no header", b"no header at all\r\n" * 50
    yield "blank first line", b" faked continuation\r\nSubject: x\r\n\r\nx\r\n"
    yield "one line of 5 MB", _HEAD + b"\r\n" + b"x" * 5_000_000 + b"\r\n"
    yield (
        "1,000 Received fields",
        b"Received: from a by b; Fri, 27 Nov 2026 16:00:00 +0000\r\n" * 1_000 + _HEAD + b"\r\nx\r\n",
    )


def _folded(unit: bytes, count: int) -> bytes:
    """Many units, folded so that no line is above 1,000 octets."""
    at_once = 900 // len(unit)
    return b"\r\n ".join([unit * at_once] * (count // at_once))


def _multipart(subtype: bytes, parts: bytes) -> bytes:
    return _HEAD + b"Content-Type: multipart/" + subtype + b"; boundary=b\r\n\r\n" + parts + b"--b--\r\n"


def _levels(depth: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(depth)
    )
    return _HEAD + opened + b"Content-Type: text/plain\r\n\r\nx\r\n"
