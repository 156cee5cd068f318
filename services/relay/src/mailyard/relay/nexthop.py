"""Configured next hops: `[scheme://]host[:port][?security=…]`, and which domain goes to which.

scheme: smtp (port 25), submission (587), smtps (465, TLS from the first octet), lmtp (24).
"""

from collections.abc import Iterator, Mapping
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
    """How a host is spoken to. Connections are shared only between legs of the same policy.

    Raises ValueError for credentials without a TLS that is required: they would be open to whoever answers first
    (RFC 4954 section 9, RFC 8314 section 5).
    """

    dialect: Dialect = Dialect.SMTP
    security: Security = Security.MAY
    implicit_tls: bool = False
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        if self.credentials is not None and not self.security.required:
            raise ValueError(f"credentials need security verify or encrypt, not {self.security}")


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
        """How to speak to whoever takes mail for `domain`.

        A next hop with credentials proves its name before it gets them; only `security=` at the hop says otherwise.
        """
        security = _closest(self.security, domain) or Security.MAY
        if hop is None:
            return Policy(security=security)
        credentials = self.credentials.get(_host_key(hop.host))
        if credentials is not None:
            security = Security.VERIFY
        return Policy(hop.dialect, hop.security or security, hop.implicit_tls, credentials)

    def with_credentials(self) -> Iterator[NextHop]:
        """The next hops that get credentials."""
        return (hop for hop in self.next_hops.values() if _host_key(hop.host) in self.credentials)

    def unused_credentials(self) -> list[str]:
        """The hosts of credentials that no next hop has."""
        used = {_host_key(hop.host) for hop in self.next_hops.values()}
        return sorted(set(self.credentials) - used)


def parse_credentials(text: str) -> dict[str, Credentials]:
    """Read lines of `host username password`; empty lines and those with `#` do not count. Raises ValueError."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(maxsplit=2)
        if len(words) != 3:
            raise ValueError(f"line {number} is not `host username password`")
        found[_host_key(words[0])] = Credentials(words[1], words[2])
    return found


def refuse_exposed_credentials(routing: Routing) -> None:
    """Check that no next hop gets credentials over a connection that may be in clear. Raises ValueError."""
    for hop in routing.with_credentials():
        if hop.security is not None and not hop.security.required:
            raise ValueError(
                f"the next hop {hop.host} has credentials and security={hop.security}: remove security= (the "
                "certificate is verified then), or write security=encrypt to send the password to any certificate"
            )


def _host_key(host: str) -> str:
    """A host as it is compared: `[::1]` and `::1`, `Smart.example.` and `smart.example` are the same."""
    return host.lower().removeprefix("[").removesuffix("]").rstrip(".")


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
