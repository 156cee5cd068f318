"""Check the octets of one message while they stream by: size, line ends, NUL."""

import re

from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import BareNewline, NulOctet
from mailyard.smtp.server.replies import BARE_NEWLINE, MESSAGE_TOO_BIG, NUL_OCTET

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Content:
    """The content of one message. After a refusal nothing more is kept, and the rest is only counted.

    `newlines` and `nul` are None for BINARYMIME, whose octets mean nothing (RFC 3030 section 3).
    """

    def __init__(self, limit: int, newlines: BareNewline | None, nul: NulOctet | None = None) -> None:
        self.size = 0  # octets kept
        self.seen = 0  # octets that came
        self.nul_octets = 0  # how many were replaced
        self.refusal: Reply | None = None
        self._limit = limit
        self._newlines = newlines
        self._nul = nul
        self._held_cr = False

    def take(self, data: bytes) -> bytes:
        """Return what is to be kept of the next octets. A CR at the end waits for what follows it."""
        self.seen += len(data)
        if self.refusal is not None:
            return b""
        if self._newlines is not None:
            data = self._checked(data)
        if self._nul is not None and b"\0" in data:
            data = self._without_nul(data)
        return self._counted(data)

    def finish(self) -> bytes:
        """Return what was held back when the message ends."""
        if not self._held_cr or self.refusal is not None:
            return b""
        self._held_cr = False
        return self._counted(self._repaired(b"\r"))

    def refuse(self, reply: Reply) -> None:
        """Keep nothing more; `reply` is the answer at the end."""
        if self.refusal is None:
            self.refusal = reply

    def _without_nul(self, data: bytes) -> bytes:
        if self._nul is NulOctet.REPLACE:
            self.nul_octets += data.count(b"\0")
            return data.replace(b"\0", b"?")
        self.refuse(NUL_OCTET)
        return b""

    def _checked(self, data: bytes) -> bytes:
        if self._held_cr:
            data = b"\r" + data
        self._held_cr = data.endswith(b"\r")
        if self._held_cr:
            data = data[:-1]
        return data if _has_whole_line_ends(data) else self._repaired(data)

    def _repaired(self, data: bytes) -> bytes:
        if self._newlines is BareNewline.REPAIR:
            return _LINE_END.sub(b"\r\n", data)
        self.refuse(BARE_NEWLINE)
        return b""

    def _counted(self, data: bytes) -> bytes:
        self.size += len(data)
        if self.size > self._limit:
            self.refuse(MESSAGE_TOO_BIG)
            return b""
        return data


def _has_whole_line_ends(data: bytes) -> bool:
    """Return whether CR and LF occur in pairs only. Three counts run at gigabytes per second; `re` is much slower."""
    pairs = data.count(b"\r\n")
    return data.count(b"\n") == pairs and data.count(b"\r") == pairs
