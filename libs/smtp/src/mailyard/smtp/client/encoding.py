"""Encode a message for DATA or BDAT chunk by chunk; where chunks end makes no difference.

DATA: a dot is added to every line that begins with one, and CRLF "." CRLF ends the text (RFC 5321 section 4.5.2).
Bare CR and bare LF are never passed on (RFC 5321 section 2.3.8): a receiver that takes LF "." for an end would see
two messages where one was sent. They are repaired to CRLF and counted. A NUL, which a receiver may drop so that a line
of NUL and dot becomes an end, is replaced by `?` (RFC 2045 section 2.7 and 2.8 exclude it) and counted, too. Lines
beyond 998 octets are folded (RFC 5321 section 4.5.3.1.6), as Postfix does: hosts that refuse them are many.
"""

import re
from typing import Final

MAX_LINE: Final = 998
"""Octets of a text line without CRLF (RFC 5322 section 2.1.1)."""

_FOLD_FROM: Final = 500  # octets of a line before the first position where it may be folded
_LINE_END = re.compile(rb"\r\n|\r|\n")


class LineFolder:
    """Fold long lines of text that has CRLF line ends; where chunks end makes no difference.

    A line is broken before its last white space between octets 500 and 998, which changes no header field; where
    there is none, behind octet 998 or the character before it, with a space in front of what follows.
    """

    def __init__(self) -> None:
        self._sent = 0  # octets of the open line that went out; at most _FOLD_FROM
        self._held = b""  # what follows them

    def feed(self, data: bytes) -> bytes:
        """Return `data`, folded; the end of a long open line is held back."""
        data = self._held + data if self._held else data
        pieces: list[bytes] = []
        start, line = 0, -self._sent  # of what is not in `pieces` yet, and of the current line
        while len(data) >= line + MAX_LINE + 2:
            end = data.rfind(b"\r\n", max(line, 0), line + MAX_LINE + 2)
            if end >= 0:
                line = end + 2
                continue
            cut, line = _fold_at(data, line)
            pieces += (data[start:cut], b"\r\n" if line == cut else b"\r\n ")
            start = cut
        last = data.rfind(b"\r\n", max(line, 0))
        line = last + 2 if last >= 0 else line
        self._sent = min(len(data) - line, _FOLD_FROM)
        self._held = data[line + self._sent :]
        if not pieces and not self._held:
            return data
        return b"".join((*pieces, data[start : line + self._sent]))

    def finish(self) -> bytes:
        """Return the octets that were held back, without a line end."""
        return self.feed(b"\r\n")[:-2]


def _fold_at(data: bytes, line: int) -> tuple[int, int]:
    """Return where to cut the line that begins at `line`, and where the next one begins with its added space."""
    first, limit = line + _FOLD_FROM, line + MAX_LINE
    space = max(data.rfind(b" ", first, limit + 1), data.rfind(b"\t", first, limit + 1))
    if space >= 0:
        return space, space
    cut = limit
    while cut > limit - 3 and data[cut] & 0xC0 == 0x80:  # within a character of UTF-8
        cut -= 1
    return cut, cut - 1


class LineRepairer:
    """Make every line end CRLF, replace NUL, fold long lines. A CR at the end of a chunk waits for the next one."""

    def __init__(self) -> None:
        self.repaired = 0  # bare CRs and LFs, and NULs, so far
        self._held = False
        self._folder = LineFolder()

    def feed(self, data: bytes) -> bytes:
        """Return `data` with CRLF line ends; it never ends in CR."""
        return self._folder.feed(self._repair(data))

    def _repair(self, data: bytes) -> bytes:
        nuls = data.count(b"\0")
        if nuls:
            self.repaired += nuls
            data = data.replace(b"\0", b"?")
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
        """Return the octets that were held back."""
        held, self._held = self._held, False
        self.repaired += held
        last = self._folder.feed(b"\r\n") if held else b""
        return last + self._folder.finish()


class DotStuffer(LineRepairer):
    """The octets that follow the 354 reply: repaired lines with stuffed dots, and the final dot."""

    def __init__(self) -> None:
        super().__init__()
        self._at_line_start = True

    def feed(self, data: bytes) -> bytes:
        """Return the octets to send for the next octets of the message."""
        return self._stuff(super().feed(data))

    def finish(self) -> bytes:
        """Return the end: a CRLF when the message has none, and the final dot."""
        rest = self._stuff(super().finish())
        return rest + (b".\r\n" if self._at_line_start else b"\r\n.\r\n")

    def _stuff(self, data: bytes) -> bytes:
        if not data:
            return data
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\r\n")
        return stuffed


def bdat(data: bytes, *, last: bool = False) -> bytes:
    """Return one chunk with its command (RFC 3030 section 2)."""
    return b"BDAT %d%b\r\n%b" % (len(data), b" LAST" if last else b"", data)


class Verbatim:
    """The octets of a BINARYMIME message, which only BDAT may carry."""

    repaired = 0

    def feed(self, data: bytes) -> bytes:
        """Return `data` itself."""
        return data

    def finish(self) -> bytes:
        """Return nothing: all octets were passed on."""
        return b""
