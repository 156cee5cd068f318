"""A byte buffer that is only ever read with a maximum."""


class LineTooLong(Exception):
    """No line end within the permitted number of octets."""


class ByteBuffer:
    """Octets that have arrived and are not consumed yet."""

    __slots__ = ("_octets", "_scanned")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._scanned = 0  # no LF before here

    def __len__(self) -> int:
        return len(self._octets)

    def feed(self, octets: bytes) -> None:
        """Add what has arrived."""
        self._octets += octets

    def clear(self) -> None:
        """Forget everything that has not been consumed."""
        self._octets.clear()
        self._scanned = 0

    def read_line(self, maximum: int) -> bytes | None:
        """One line with its LF, or None when it is not complete; LineTooLong beyond `maximum` octets."""
        end = self._octets.find(b"\n", self._scanned, maximum)
        if end < 0:
            self._scanned = min(len(self._octets), maximum)
            if len(self._octets) >= maximum:
                raise LineTooLong
            return None
        return self._take(end + 1)

    def read_some(self, maximum: int) -> bytes:
        """At most `maximum` octets of what is there; empty when nothing is."""
        return self._take(min(maximum, len(self._octets)))

    def read_exactly(self, size: int) -> bytes | None:
        """`size` octets, or None until they are all there."""
        return self._take(size) if len(self._octets) >= size else None

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._octets)[:size])
        del self._octets[:size]
        self._scanned = 0
        return taken
