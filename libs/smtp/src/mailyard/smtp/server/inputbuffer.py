"""Octets that were received and not parsed yet. Every way to take some has a bound."""

from mailyard.smtp.server.limits import BareNewline


class LineTooLongError(Exception):
    """A line passed its limit; its octets up to the next line end are dropped."""


class BareNewlineError(Exception):
    """A line holds a CR or ends in an LF that stands alone."""


class InputBuffer:
    """Lines and octets, in the order in which they were received."""

    def __init__(self, bare_newline: BareNewline) -> None:
        self._data = b""
        self._at = 0
        self._skipping = False
        self._repairs = bare_newline is BareNewline.REPAIR

    def __len__(self) -> int:
        return len(self._data) - self._at

    def feed(self, data: bytes) -> None:
        """Add received octets."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def clear(self) -> None:
        """Drop everything."""
        self._data, self._at, self._skipping = b"", 0, False

    def take(self, most: int) -> bytes:
        """Take up to `most` octets."""
        data = self._data[self._at : self._at + most]
        self._at += len(data)
        return data

    def take_all(self) -> bytes:
        """Take all octets."""
        data = self._data[self._at :] if self._at else self._data
        self._data, self._at = b"", 0
        return data

    def line(self, limit: int) -> bytes | None:
        """Take the next line without its CRLF; None while it is not complete.

        Raises LineTooLongError for one of more than `limit` octets with CRLF, BareNewlineError for a bare CR or LF.
        """
        if self._skipping and not self._skip():
            return None
        end = self._data.find(b"\n", self._at, self._at + limit)
        if end < 0:
            if len(self) < limit:
                return None
            self._skipping = True
            raise LineTooLongError
        line = self._data[self._at : end]
        self._at = end + 1
        return self._without_cr(line)

    def _without_cr(self, line: bytes) -> bytes:
        if line.endswith(b"\r") and line.count(b"\r") == 1:
            return line[:-1]
        if self._repairs and b"\r" not in line[:-1]:
            return line.removesuffix(b"\r")
        raise BareNewlineError

    def _skip(self) -> bool:
        """Drop the rest of a line that was too long; return whether its end has come."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            self._data, self._at = b"", 0
            return False
        self._at, self._skipping = end + 1, False
        return True
