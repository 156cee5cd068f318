"""SMTP replies: RFC 5321 section 4.2, enhanced status codes of RFC 2034 and RFC 3463.

A `Reply` keeps its bytes ready, because a server sends the same few all day. `parse_reply` reads what a
foreign server says and never believes it: lengths and line counts are bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_REPLY_LINE = 2048
"""Octets of one reply line that are read; RFC 5321 section 4.5.3.1.5 allows 512, some servers send more."""
MAX_REPLY_LINES = 128
"""Lines of one reply that are read; EHLO replies of real servers have about twenty."""

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)), "?")


class ReplyError(ValueError):
    """The peer sent something that is not an SMTP reply, or one beyond the limits."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A code, an enhanced status code where there is one, and lines of text; `wire` are its octets with CRLF."""

    code: int
    enhanced: str | None
    lines: tuple[str, ...]
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wire", b"".join(_wire_lines(self)))

    @property
    def is_positive(self) -> bool:
        """Whether the command was carried out (2yz)."""
        return 200 <= self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """Whether the server waits for more (3yz)."""
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """Whether the same command may succeed later (4yz)."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """Whether the same command will fail again (5yz)."""
        return self.code >= 500

    @property
    def text(self) -> str:
        """The text of all lines in one, without codes."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


def reply(code: int, enhanced: str | None, *lines: str) -> Reply:
    """Make a reply of one or more lines: `reply(250, "2.1.0", "Ok")`."""
    return Reply(code, enhanced, lines)


def _wire_lines(reply: Reply) -> Iterator[bytes]:
    """Encode line by line; each line repeats the code and the enhanced code (RFC 2034 section 4)."""
    status = f"{reply.enhanced} " if reply.enhanced else ""
    lines = reply.lines or ("",)
    last = len(lines) - 1
    for number, line in enumerate(lines):
        if "\r" in line or "\n" in line:
            raise ValueError(f"a reply line holds no line ends: {line!r}")
        yield f"{reply.code}{' ' if number == last else '-'}{status}{line}\r\n".encode()


def parse_reply(buffer: bytes) -> tuple[Reply, int] | None:
    """Parse one reply at the start of `buffer`; return it with its length in octets, or None while it is incomplete.

    Raises ReplyError for what is no reply, lines that are too long, and replies of too many lines.
    """
    texts: list[str] = []
    code, start = 0, 0
    while (end := buffer.find(b"\n", start)) >= 0:
        line_code, more, text = _parse_line(buffer[start:end])
        if texts and line_code != code:
            raise ReplyError(f"the reply changes its code from {code} to {line_code}")
        code, start = line_code, end + 1
        texts.append(text)
        if not more:
            return _assemble(code, texts), start
        if len(texts) >= MAX_REPLY_LINES:
            raise ReplyError(f"the reply has more than {MAX_REPLY_LINES} lines")
    if len(buffer) - start > MAX_REPLY_LINE:
        raise ReplyError(f"a reply line is longer than {MAX_REPLY_LINE} octets")
    return None


def _parse_line(line: bytes) -> tuple[int, bool, str]:
    """Split one line into code, whether more lines follow, and text with control characters masked."""
    line = line.removesuffix(b"\r")
    if len(line) > MAX_REPLY_LINE:
        raise ReplyError(f"a reply line is longer than {MAX_REPLY_LINE} octets")
    match = _LINE.fullmatch(line)
    if match is None:
        raise ReplyError(f"not an SMTP reply: {line[:80]!r}")
    text = (match[3] or b"").decode("utf-8", "replace").translate(_CONTROLS)
    return int(match[1]), match[2] == b"-", text


def _assemble(code: int, texts: list[str]) -> Reply:
    """Remove the enhanced code from the lines; it counts only when its class is the reply's (RFC 2034 section 4)."""
    match = _ENHANCED.match(texts[0])
    if match is None or match[1][0] != str(code)[0]:
        return Reply(code, None, tuple(texts))
    return Reply(code, match[1], tuple(_without_status(text, match[1]) for text in texts))


def _without_status(text: str, status: str) -> str:
    if text == status or text.startswith(status + " "):
        return text[len(status) + 1 :]
    return text
