"""Replies: found in the octets of the server, or made by the client itself."""

from mailyard.smtp.reply import MAX_REPLY_LINE, Reply, parse_reply


class ReplyReader:
    """A buffer of octets that returns complete replies; the limits are those of `parse_reply`."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fresh = False

    def feed(self, data: bytes) -> None:
        """Add received octets. A server that sends octet by octet costs no more than one that sends lines."""
        self._buffer += data
        self._fresh = self._fresh or b"\n" in data or len(data) > MAX_REPLY_LINE
        self._fresh = self._fresh or len(self._buffer) - self._buffer.rfind(b"\n") > MAX_REPLY_LINE

    def clear(self) -> None:
        """Drop the octets that are no complete reply yet."""
        self._buffer = b""
        self._fresh = False

    def next(self) -> Reply | None:
        """Take the next reply; None until more octets come. Raises ReplyError."""
        found = parse_reply(self._buffer) if self._fresh else None
        if found is None:
            self._fresh = False
            return None
        reply, used = found
        self._buffer = self._buffer[used:]
        return reply


def own_reply(code: int, enhanced: str, text: str) -> Reply:
    """Make a reply that the server did not send, for instance when a needed extension is missing."""
    return Reply(code, enhanced, (" ".join(text.split()),))


def lost_reply(reason: str) -> Reply:
    """Make the reply for recipients whose connection was lost: bad connection (RFC 3463 section 3.5)."""
    return own_reply(421, "4.4.2", reason)


def violation_reply(reason: str) -> Reply:
    """Make the reply for octets that are no reply: undefined protocol status (RFC 3463 section 3.6)."""
    return own_reply(451, "4.5.0", f"protocol error: {reason}")
