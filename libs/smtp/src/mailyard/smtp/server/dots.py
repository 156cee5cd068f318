"""Find the end of DATA and remove the stuffed dots (RFC 5321 section 4.5.2).

Only CRLF "." CRLF ends the message, and only a dot behind CRLF is a stuffed one. There is no loop over lines: the
work is a few searches over whatever came, and what needs no change is handed on without a copy.
"""

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_LINE_END = b"\r\n"
_END_AT_LINE_START = b".\r\n"
_AMBIGUOUS = (b"\r\n.\r", b"\r\n.", b"\r")


class DotReader:
    """The reader of one message in DATA.

    What might be a part of the end is held back until the next octets tell. A CRLF is not: it is content anyhow,
    and that the next octet begins a line is remembered instead.
    """

    def __init__(self) -> None:
        self._held = b""
        self._at_line_start = True

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return content, and the octets after the end of the message; None while the end has not come."""
        if self._held:
            data, self._held = self._held + data, b""
        if self._at_line_start and data.startswith(b"."):
            if data.startswith(_END_AT_LINE_START):
                return b"", data[len(_END_AT_LINE_START) :]
            if _END_AT_LINE_START.startswith(data):
                self._held = data
                return b"", None
            data = data[1:]
            self._at_line_start = False
        return self._within(data)

    def _within(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Do the same for octets that do not begin with a dot of the protocol."""
        last = data.rfind(_STUFFED)  # twice as fast as find
        if last < 0:
            return self._unended(data, is_stuffed=False)
        if data.startswith(_END, last) and data.rfind(_STUFFED, 0, last + 2) < 0:
            return data[: last + len(_LINE_END)], data[last + len(_END) :]
        end = data.find(_END)
        if end < 0:
            return self._unended(data, is_stuffed=True)
        return _unstuffed(data[: end + len(_LINE_END)]), data[end + len(_END) :]

    def _unended(self, data: bytes, *, is_stuffed: bool) -> tuple[bytes, None]:
        for ambiguous in _AMBIGUOUS:
            if data.endswith(ambiguous):
                data, self._held = data[: -len(ambiguous)], ambiguous
                break
        if data:
            self._at_line_start = data.endswith(_LINE_END)
        return _unstuffed(data) if is_stuffed else data, None


def _unstuffed(content: bytes) -> bytes:
    return content.replace(_STUFFED, _LINE_END)
