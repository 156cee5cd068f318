"""The extensions that a server offers in its reply to EHLO or LHLO (RFC 5321 section 4.1.1.1)."""

from dataclasses import dataclass

from mailyard.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Extensions:
    """The offers that this client uses. After HELO there are none."""

    pipelining: bool = False  # RFC 2920
    size: bool = False  # RFC 1870
    size_limit: int = 0  # octets; 0: the server names none
    eight_bit_mime: bool = False  # RFC 6152
    smtp_utf8: bool = False  # RFC 6531
    dsn: bool = False  # RFC 3461
    chunking: bool = False  # RFC 3030
    binary_mime: bool = False  # RFC 3030
    start_tls: bool = False  # RFC 3207
    auth: frozenset[str] = frozenset()  # RFC 4954: mechanism names, upper case


def parse_extensions(reply: Reply) -> Extensions:
    """Parse the keywords; the first line is the server's name. Unknown keywords are ignored."""
    offers: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        # Old servers write "AUTH=LOGIN" beside "AUTH LOGIN".
        words = line.upper().replace("AUTH=", "AUTH ").split()
        if words:
            offers.setdefault(words[0], []).extend(words[1:])
    return Extensions(
        pipelining="PIPELINING" in offers,
        size="SIZE" in offers,
        size_limit=_size_limit(offers.get("SIZE", [])),
        eight_bit_mime="8BITMIME" in offers,
        smtp_utf8="SMTPUTF8" in offers,
        dsn="DSN" in offers,
        chunking="CHUNKING" in offers,
        binary_mime="BINARYMIME" in offers,
        start_tls="STARTTLS" in offers,
        auth=frozenset(offers.get("AUTH", ())),
    )


def _size_limit(words: list[str]) -> int:
    digits = words[0] if words else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else 0
