"""Asks the DNS: records of domains, names of addresses, and whether answers are validated."""

from collections.abc import Sequence
from typing import Final

import dns.exception
import dns.flags
import dns.resolver
import dns.reversename

from mailyard.cli.installcheck.checks.records import DomainRecords
from mailyard.cli.installcheck.checks.resolver import ResolverFacts
from mailyard.cli.installcheck.checks.reversedns import ReverseFacts
from mailyard.cli.installcheck.facts.absent import Absent
from mailyard.runtime.endpoint import Endpoint

SECONDS: Final = 5.0
_PAYLOAD: Final = 1232


class Names:
    """A resolver: the machine's, or the one that is named."""

    def __init__(self, server: Endpoint | None = None) -> None:
        self._resolver = dns.resolver.Resolver(configure=server is None)
        self._resolver.lifetime = SECONDS
        self._resolver.use_edns(0, dns.flags.DO, _PAYLOAD)
        self._resolver.flags = dns.flags.RD | dns.flags.AD
        if server is not None:
            self._resolver.nameservers = [server.host]
            self._resolver.port = server.port

    def records(self, domain: str, selectors: Sequence[str]) -> DomainRecords:
        """What the DNS has of a domain. Raises Absent."""
        return DomainRecords(
            domain,
            sorted(text.split()[1].rstrip(".") for text in self._texts(domain, "MX")),
            self._versioned(domain, "v=spf1"),
            self._versioned(f"_dmarc.{domain}", "v=dmarc1"),
            self._versioned(f"_mta-sts.{domain}", "v=stsv1"),
            {selector: self._txt(f"{selector}._domainkey.{domain}") for selector in selectors},
        )

    def reverse(self, address: str) -> ReverseFacts:
        """The names of an address, and their addresses. Raises Absent."""
        pointer = dns.reversename.from_address(address).to_text()
        names = [text.rstrip(".") for text in self._texts(pointer, "PTR")]
        return ReverseFacts(address, {name: self._addresses(name) for name in names})

    def validation(self, name: str) -> ResolverFacts:
        """Ask for a name in a signed zone."""
        try:
            answer = self._resolver.resolve(name, "SOA", raise_on_no_answer=False)
        except dns.exception.DNSException as error:
            return ResolverFacts(name, authenticated=False, problem=str(error))
        return ResolverFacts(name, bool(answer.response.flags & dns.flags.AD))

    def _addresses(self, name: str) -> frozenset[str]:
        return frozenset([*self._texts(name, "A"), *self._texts(name, "AAAA")])

    def _versioned(self, name: str, version: str) -> list[str]:
        return [text for text in self._txt(name) if text.lower().split(";")[0].split()[:1] == [version]]

    def _txt(self, name: str) -> list[str]:
        """Strings of one record belong together (RFC 7208, section 3.3)."""
        return [b"".join(record.strings).decode(errors="replace") for record in self._answer(name, "TXT")]

    def _texts(self, name: str, kind: str) -> list[str]:
        return [record.to_text() for record in self._answer(name, kind)]

    def _answer(self, name: str, kind: str) -> dns.resolver.Answer | tuple[()]:
        try:
            return self._resolver.resolve(name, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.exception.DNSException as error:
            raise Absent(f"the DNS does not tell {kind} of {name}: {error}", "Try again later.") from None
