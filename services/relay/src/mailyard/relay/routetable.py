"""Routes of the installation's settings: which domain has which next hop, which TLS and which credentials."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.smtp.client import LoginCredentials, Security
from mailyard.smtp.client.nexthop import NextHop

T = TypeVar("T")
_STRICTNESS = tuple(Security)  # from none to verify


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Keys are recipient domains: `example.org`, `*.example.org` (below that domain), `*`."""

    next_hops: Mapping[str, NextHop]
    security: Mapping[str, Security]
    credentials: Mapping[str, LoginCredentials]  # by next hop's host

    def next_hop(self, domain: str, preferred: NextHop | None = None) -> NextHop | None:
        """Return the next hop of a domain, or None: ask the DNS.

        `preferred` is the sender's own one: only a route that names the recipient's domain goes before it.
        """
        hop = _closest(self.next_hops, domain)
        return preferred if preferred is not None and hop is self.next_hops.get("*") else hop

    def tls_policy(self, domain: str, hop: NextHop | None, least: Security = Security.NONE) -> TlsPolicy:
        """Return what is asked of TLS towards the hosts of a domain, at least `least`.

        A next hop with credentials proves its name before it gets them; only `security=` at the hop says otherwise.
        """
        asked = _closest(self.security, domain) or Security.MAY
        if hop is not None:
            asked = hop.security or (Security.VERIFY if self._has_credentials(hop) else asked)
        security = max(asked, least, key=_STRICTNESS.index)
        return TlsPolicy(security, hop is not None and hop.implicit_tls)

    def credentials_of(self, hop: NextHop, tls: TlsPolicy) -> LoginCredentials | None:
        """Return the login for a next hop; none where TLS may be absent (RFC 4954, section 9)."""
        return self.credentials.get(_host_key(hop.host)) if tls.security.required else None

    def with_credentials(self) -> Iterator[NextHop]:
        """Return the next hops that get credentials."""
        return (hop for hop in self.next_hops.values() if self._has_credentials(hop))

    def unused_credentials(self) -> list[str]:
        """Return the hosts of credentials that no next hop of the settings has."""
        used = {_host_key(hop.host) for hop in self.next_hops.values()}
        return sorted(set(self.credentials) - used)

    def _has_credentials(self, hop: NextHop) -> bool:
        return _host_key(hop.host) in self.credentials


def parse_credentials(text: str) -> dict[str, LoginCredentials]:
    """Read lines of `host username password`; empty lines and those with `#` do not count. Raises ValueError."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(maxsplit=2)
        if len(parts) != 3:
            raise ValueError(f"line {number} is not `host username password`")
        found[_host_key(parts[0])] = LoginCredentials(parts[1], parts[2])
    return found


def refuse_exposed_credentials(table: RouteTable) -> None:
    """Check that no next hop gets credentials over a connection that may be in clear. Raises ValueError."""
    for hop in table.with_credentials():
        if hop.security is not None and not hop.security.required:
            raise ValueError(
                f"the next hop {hop.host} has credentials and security={hop.security}: remove security= (the "
                "certificate is verified then), or write security=encrypt to send the password to any certificate"
            )


def _host_key(host: str) -> str:
    """Write a host as it is compared: `[::1]` and `::1`, `Smart.example.` and `smart.example` are the same."""
    return host.lower().removeprefix("[").removesuffix("]").rstrip(".")


def _closest(table: Mapping[str, T], domain: str) -> T | None:
    """Return the entry of the domain, else of its closest wildcard."""
    if domain in table:
        return table[domain]
    labels = domain.split(".")
    parents = (f"*.{'.'.join(labels[number:])}" for number in range(1, len(labels)))
    return next((table[key] for key in (*parents, "*") if key in table), None)
