"""Encodes a message for DATA or BDAT, chunk by chunk, whatever the chunks' borders are.

DATA: a dot is added to every line that begins with one, and CRLF "." CRLF ends the text (RFC 5321 section 4.5.2).
Bare CR and bare LF are never passed on (RFC 5321 section 2.3.8): a receiver that takes LF "." for an end would see
two messages where we sent one. They are repaired to CRLF and counted.
"""

import re

_LINE_END = re.compile(rb"\r\n|\r|\n")


class LineRepairer:
    """Makes CRLF of every line end. A CR at the end of a chunk waits for the next one."""

    def __init__(self) -> None:
        self.repaired = 0  # bare CRs and LFs so far
        self._held = False

    def feed(self, data: bytes) -> bytes:
        """`data` with proper line ends; never ends in CR."""
        if self._held:
            data = b"\r" + data
        self._held = data.endswith(b"\r")
        if self._held:
            data = data[:-1]
        pairs = data.count(b"\r\n")
        bare = data.count(b"\r") + data.count(b"\n") - 2 * pairs
        if not bare:
            return data
        self.repaired += bare
        return _LINE_END.sub(b"\r\n", data)

    def finish(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, False
        self.repaired += held
        return b"\r\n" if held else b""


class DotStuffer:
    """The octets that follow the 354 reply."""

    def __init__(self) -> None:
        self._lines = LineRepairer()
        self._at_line_start = True

    @property
    def repaired(self) -> int:
        """How many bare CRs and LFs were turned into CRLF."""
        return self._lines.repaired

    def feed(self, data: bytes) -> bytes:
        """The next octets to send for the next octets of the message."""
        return self._stuff(self._lines.feed(data))

    def finish(self) -> bytes:
        """The end: a CRLF when the message has none, and the final dot."""
        rest = self._lines.finish()
        ended = self._at_line_start or bool(rest)
        return rest + (b".\r\n" if ended else b"\r\n.\r\n")

    def _stuff(self, data: bytes) -> bytes:
        if not data:
            return data
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\r\n")
        return stuffed


def bdat(data: bytes, *, last: bool = False) -> bytes:
    """One chunk with its command (RFC 3030 section 2)."""
    return b"BDAT %d%b\r\n%b" % (len(data), b" LAST" if last else b"", data)


class Verbatim:
    """The octets of a BINARYMIME message, which only BDAT may carry."""

    repaired = 0

    def feed(self, data: bytes) -> bytes:
        """`data` itself."""
        return data

    def finish(self) -> bytes:
        """Nothing."""
        return b""
