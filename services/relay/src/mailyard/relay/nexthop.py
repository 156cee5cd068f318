"""Configured next hops: `[scheme://]host[:port][?security=…]`, and which domain goes to which.

scheme: smtp (port 25), submission (587), smtps (465, TLS from the first octet), lmtp (24).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

from mailyard.smtp.client import Credentials, Dialect, Security

T = TypeVar("T")

_SCHEMES: Final = {
    "smtp": (25, Dialect.SMTP, False),
    "submission": (587, Dialect.SMTP, False),
    "smtps": (465, Dialect.SMTP, True),
    "lmtp": (24, Dialect.LMTP, False),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How a host is spoken to. Connections are shared only between legs of the same policy."""

    dialect: Dialect = Dialect.SMTP
    security: Security = Security.MAY
    implicit_tls: bool = False
    credentials: Credentials | None = None


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


@dataclass(frozen=True, slots=True)
class Routing:
    """Which next hop and which TLS policy a domain has. Keys: `example.org`, `*.example.org` (below it), `*`."""

    next_hops: Mapping[str, NextHop]
    security: Mapping[str, Security]
    credentials: Mapping[str, Credentials]  # by next hop's host

    def next_hop(self, domain: str) -> NextHop | None:
        """The configured next hop, or None: ask the DNS."""
        return _closest(self.next_hops, domain)

    def policy(self, domain: str, hop: NextHop | None) -> Policy:
        """How to speak to whoever takes mail for `domain`."""
        security = _closest(self.security, domain) or Security.MAY
        if hop is None:
            return Policy(security=security)
        credentials = self.credentials.get(hop.host)
        return Policy(hop.dialect, hop.security or security, hop.implicit_tls, credentials)


def parse_credentials(text: str) -> dict[str, Credentials]:
    """Read lines of `host username password`; empty lines and those with `#` do not count. Raises ValueError."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(maxsplit=2)
        if len(words) != 3:
            raise ValueError(f"line {number} is not `host username password`")
        found[words[0].lower()] = Credentials(words[1], words[2])
    return found


def _closest(table: Mapping[str, T], domain: str) -> T | None:
    """The entry of the domain, else of its closest wildcard."""
    if domain in table:
        return table[domain]
    labels = domain.split(".")
    parents = (f"*.{'.'.join(labels[number:])}" for number in range(1, len(labels)))
    return next((table[key] for key in (*parents, "*") if key in table), None)


def _security(text: str, query: str) -> Security | None:
    words = dict(parse_qsl(query, strict_parsing=bool(query)))
    if not words:
        return None
    if set(words) != {"security"} or words["security"] not in set(Security):
        raise ValueError(f"{text!r}: write ?security= with one of {', '.join(Security)}")
    return Security(words["security"])
