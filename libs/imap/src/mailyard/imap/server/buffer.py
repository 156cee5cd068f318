"""A byte buffer; every read has a maximum."""


class LineTooLong(Exception):
    """No line end within the permitted number of octets."""


class ByteBuffer:
    """Octets that were received and not read yet."""

    __slots__ = ("_octets", "_scanned")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._scanned = 0  # no LF before here

    def __len__(self) -> int:
        return len(self._octets)

    def feed(self, octets: bytes) -> None:
        """Add received octets."""
        self._octets += octets

    def clear(self) -> None:
        """Drop all octets that were not read."""
        self._octets.clear()
        self._scanned = 0

    def read_line(self, maximum: int) -> bytes | None:
        """Read one line with its LF; return None until the line is complete. Raises LineTooLong beyond `maximum` octets."""
        end = self._octets.find(b"\n", self._scanned, maximum)
        if end < 0:
            self._scanned = min(len(self._octets), maximum)
            if len(self._octets) >= maximum:
                raise LineTooLong
            return None
        return self._take(end + 1)

    def read_some(self, maximum: int) -> bytes:
        """Read at most `maximum` octets; return b"" when there are none."""
        return self._take(min(maximum, len(self._octets)))

    def read_exactly(self, size: int) -> bytes | None:
        """Read `size` octets; return None until all were received."""
        return self._take(size) if len(self._octets) >= size else None

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._octets)[:size])
        del self._octets[:size]
        self._scanned = 0
        return taken
