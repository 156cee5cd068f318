"""A strict reader of IMAP data, so that tests see what a client sees and refuse what it would refuse."""

from collections.abc import Callable

import pytest


class ImapDataError(AssertionError):
    """The octets are not IMAP data (RFC 3501, section 9)."""


class _Reader:
    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def value(self):
        first = self.octets[self.at : self.at + 1]
        if first == b"(":
            return self.parenthesised()
        if first == b'"':
            return self.quoted()
        if first == b"{":
            return self.literal()
        return self.atom()

    def parenthesised(self):
        self.at += 1
        found = []
        while self.octets[self.at : self.at + 1] != b")":
            if self.at >= len(self.octets):
                raise ImapDataError("unclosed parenthesis")
            found.append(self.value())
            if self.octets[self.at : self.at + 1] == b" ":
                self.at += 1
                if self.octets[self.at : self.at + 1] in (b" ", b")"):
                    raise ImapDataError("space without a value behind it")
        self.at += 1
        return found

    def quoted(self) -> bytes:
        out = bytearray()
        self.at += 1
        while True:
            octet = self.octets[self.at]
            if octet == 0x22:
                self.at += 1
                return bytes(out)
            if octet == 0x5C:
                self.at += 1
                octet = self.octets[self.at]
                if octet not in (0x22, 0x5C):
                    raise ImapDataError("only quotes and backslashes may be escaped")
            elif octet in (0, 10, 13) or octet > 126:
                raise ImapDataError(f"octet {octet} in a quoted string")
            out.append(octet)
            self.at += 1

    def literal(self) -> bytes:
        end = self.octets.index(b"}\r\n", self.at)
        size = int(self.octets[self.at + 1 : end])
        self.at = end + 3 + size
        found = self.octets[end + 3 : self.at]
        if len(found) != size or b"\0" in found:
            raise ImapDataError("literal is short or holds NUL")
        return found

    def atom(self) -> int | None:
        start = self.at
        while self.octets[self.at : self.at + 1].isalnum():
            self.at += 1
        word = self.octets[start : self.at]
        if word == b"NIL":
            return None
        if not word.isdigit():
            raise ImapDataError(f"{self.octets[start : start + 20]!r} is neither NIL nor a number")
        return int(word)


def read_imap_data(octets: bytes):
    reader = _Reader(octets)
    found = reader.value()
    if reader.at != len(octets):
        raise ImapDataError("octets behind the end")
    return found


@pytest.fixture(scope="session")
def imap_data() -> Callable[[bytes], object]:
    """Reads one value: strings as bytes, NIL as None, numbers, lists."""
    return read_imap_data
