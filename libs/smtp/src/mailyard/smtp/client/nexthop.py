"""A next hop as people write it: `[scheme://]host[:port][?security=…]`.

scheme: smtp (port 25), submission (587), smtps (465, TLS from the first octet), lmtp (24).
"""

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from mailyard.smtp.client.options import Dialect, Security

_SCHEMES: Final = {
    "smtp": (25, Dialect.SMTP, False),
    "submission": (587, Dialect.SMTP, False),
    "smtps": (465, Dialect.SMTP, True),
    "lmtp": (24, Dialect.LMTP, False),
}


@dataclass(frozen=True, slots=True)
class NextHop:
    """A host that a person has named; it is not looked up in the MX of any domain."""

    host: str
    port: int
    dialect: Dialect = Dialect.SMTP
    implicit_tls: bool = False
    security: Security | None = None  # None: what the domain asks for

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a next hop. Raises ValueError."""
        url = urlsplit(text if "://" in text else f"smtp://{text}")
        if url.scheme not in _SCHEMES:
            raise ValueError(f"{text!r}: the scheme is one of {', '.join(_SCHEMES)}")
        if not url.hostname or url.path not in {"", "/"} or "@" in url.netloc:
            raise ValueError(f"{text!r} is not a next hop: write host:port or scheme://host:port")
        port, dialect, implicit_tls = _SCHEMES[url.scheme]
        return cls(url.hostname, url.port or port, dialect, implicit_tls, _security(text, url.query))


def _security(text: str, query: str) -> Security | None:
    options = dict(parse_qsl(query, strict_parsing=bool(query)))
    if not options:
        return None
    if set(options) != {"security"} or options["security"] not in set(Security):
        raise ValueError(f"{text!r}: write ?security= with one of {', '.join(Security)}")
    return Security(options["security"])
