"""Finds replies in the stream of what the server says, and makes those that the client gives itself."""

from mailyard.smtp.reply import MAX_REPLY_LINE, Reply, parse_reply


class ReplyReader:
    """Collects octets and gives out complete replies; the limits are those of `parse_reply`."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fresh = False

    def feed(self, data: bytes) -> None:
        """Add what was read. A server that sends octet by octet costs no more than one that sends lines."""
        self._buffer += data
        self._fresh = self._fresh or b"\n" in data or len(data) > MAX_REPLY_LINE
        self._fresh = self._fresh or len(self._buffer) - self._buffer.rfind(b"\n") > MAX_REPLY_LINE

    def clear(self) -> None:
        """Forget what was read and not yet given out."""
        self._buffer = b""
        self._fresh = False

    def next(self) -> Reply | None:
        """The next reply, or None until more octets come. Raises ReplyError."""
        found = parse_reply(self._buffer) if self._fresh else None
        if found is None:
            self._fresh = False
            return None
        reply, used = found
        self._buffer = self._buffer[used:]
        return reply


def own_reply(code: int, enhanced: str, text: str) -> Reply:
    """What the client says in the server's place, for instance when a needed extension is missing."""
    return Reply(code, enhanced, (" ".join(text.split()),))


def lost_reply(reason: str) -> Reply:
    """What is said of recipients whose connection went away: bad connection (RFC 3463 section 3.5)."""
    return own_reply(421, "4.4.2", reason)


def violation_reply(reason: str) -> Reply:
    """What is said when the server's words make no sense: undefined protocol status (RFC 3463 section 3.6)."""
    return own_reply(451, "4.5.0", f"protocol error: {reason}")
