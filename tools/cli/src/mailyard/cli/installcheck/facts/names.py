"""Asks the DNS: records of domains, names of addresses, and whether answers are validated."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from mailyard.cli.installcheck.checks.records import DomainRecords
from mailyard.cli.installcheck.checks.resolver import ResolverFacts
from mailyard.cli.installcheck.checks.reversedns import ReverseFacts
from mailyard.cli.installcheck.facts.absent import Absent
from mailyard.dns.answer import DnsFailure
from mailyard.dns.resolver import DnsOptions, DnsResolver
from mailyard.runtime.endpoint import Endpoint

SECONDS: Final = 5.0


class Names:
    """The machine's DNS servers, or the one that is named, asked as relay asks them."""

    def __init__(self, server: Endpoint | None = None) -> None:
        servers, port = ([server.host], server.port) if server is not None else ([], 53)
        self._resolver = DnsResolver(DnsOptions(servers, port, SECONDS))

    def records(self, domain: str, selectors: Sequence[str]) -> DomainRecords:
        """Read the records of a domain. Raises Absent."""
        return DomainRecords(
            domain,
            sorted(text.split()[1].rstrip(".") for text in self._texts(domain, "MX")),
            self._versioned(domain, "v=spf1"),
            self._versioned(f"_dmarc.{domain}", "v=dmarc1"),
            self._versioned(f"_mta-sts.{domain}", "v=stsv1"),
            {selector: list(self._texts(f"{selector}._domainkey.{domain}", "TXT")) for selector in selectors},
        )

    def reverse(self, address: str) -> ReverseFacts:
        """Read the names of an address, and their addresses. Raises Absent."""
        names = [text.rstrip(".") for text in self._texts(ip_address(address).reverse_pointer, "PTR")]
        return ReverseFacts(address, {name: self._addresses(name) for name in names})

    def validation(self, name: str) -> ResolverFacts:
        """Ask for a name in a signed zone."""
        answer = asyncio.run(self._resolver.resolve(name, "SOA"))
        if isinstance(answer, DnsFailure):
            return ResolverFacts(name, authenticated=False, problem=_PROBLEMS.get(answer, ""))
        return ResolverFacts(name, answer.authenticated)

    def _addresses(self, name: str) -> frozenset[str]:
        return frozenset([*self._texts(name, "A"), *self._texts(name, "AAAA")])

    def _versioned(self, name: str, version: str) -> list[str]:
        return [
            text for text in self._texts(name, "TXT") if text.lower().split(";")[0].split()[:1] == [version]
        ]

    def _texts(self, name: str, kind: str) -> Sequence[str]:
        answer = asyncio.run(self._resolver.resolve(name, kind))
        if answer is DnsFailure.UNANSWERED:
            raise Absent(f"the DNS gives no answer for {kind} of {name}", "Try again later.")
        return () if isinstance(answer, DnsFailure) else answer.records


_PROBLEMS: Final = {
    DnsFailure.NO_DOMAIN: "the name does not exist",
    DnsFailure.UNANSWERED: "no DNS server answers",
}
