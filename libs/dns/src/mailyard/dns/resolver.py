"""Asks DNS servers, and remembers their answers for as long as they live.

What a server does never raises: a question ends with records or with a `DnsFailure`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdtypes.txtbase
import dns.resolver  # noqa: PLW0406  # dnspython: this module is mailyard.dns.resolver

from mailyard.dns.answer import DnsAnswer, DnsFailure, HostAddresses, MailExchanger
from mailyard.dns.cache import AnswerCache, AnswerLimits

MAX_RECORDS: Final = 50  # of one host and address family; the rest of a large answer is dropped
_MAX_RECORDS_OF_ANSWER: Final = 1000
_MAX_SECONDS: Final = 86_400
_MAX_FAILURE_SECONDS: Final = 900  # RFC 2308, section 5, allows hours; a new record should be seen earlier
_PAYLOAD: Final = 1232  # octets of a UDP answer that no path fragments


@dataclass(frozen=True, slots=True)
class DnsOptions:
    """`servers` empty: those of /etc/resolv.conf. `seconds`: the longest time for one question.

    `one_datagram`: an answer that is longer than a datagram (1,232 octets) counts as none. Reading a record costs about
    0.1 ms, and who answers questions about strange clients and names is a stranger: over TCP it could send 64 KiB.
    """

    servers: Sequence[str] = ()
    port: int = 53
    seconds: float = 10.0
    one_datagram: bool = False


class DnsResolver:
    """A stub resolver."""

    def __init__(self, options: DnsOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._dns = _stub(options)
        self._cache = AnswerCache(AnswerLimits())
        self._clock = clock

    async def resolve(self, name: str, kind: str) -> DnsAnswer[str] | DnsFailure:
        """Ask for the records of a type, in presentation format (RFC 1035, section 5); a TXT record is one text.

        CNAME records are followed by the server. The name is absolute, with or without the final dot.
        """
        key = _key_of(name, kind)
        known = self._cache.get(key, self._clock())
        if known is not None:
            return known
        try:
            absolute = dns.name.from_text(key[0], origin=dns.name.root)
        except (dns.exception.DNSException, UnicodeError):
            return DnsFailure.NO_DOMAIN
        found, seconds = await self._ask(absolute, kind)
        if seconds > 0:
            self._cache.put(key, found, self._clock() + seconds)
        return found

    def resolve_cached(self, name: str, kind: str) -> DnsAnswer[str] | DnsFailure | None:
        """Peek: what `resolve` would return, None when a server must be asked."""
        return self._cache.get(_key_of(name, kind), self._clock())

    async def mail_exchangers(self, domain: str) -> DnsAnswer[MailExchanger] | DnsFailure:
        """Ask for the MX records of a domain."""
        found = await self.resolve(domain, "MX")
        if isinstance(found, DnsFailure):
            return found
        return DnsAnswer(tuple(map(_mail_exchanger, found.records)), found.authenticated)

    async def addresses(self, host: str) -> HostAddresses:
        """Ask for A and AAAA at the same time; at most `MAX_RECORDS` of each are returned."""
        answers = await asyncio.gather(self.resolve(host, "A"), self.resolve(host, "AAAA"))
        found = [each.records[:MAX_RECORDS] for each in answers if isinstance(each, DnsAnswer)]
        complete = DnsFailure.UNANSWERED not in answers
        return HostAddresses(tuple(address for records in found for address in records), complete)

    async def _ask(self, name: dns.name.Name, kind: str) -> tuple[DnsAnswer[str] | DnsFailure, float]:
        """One question; with the seconds for which the answer may be used again."""
        try:
            answer = await self._dns.resolve(name, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            return DnsFailure.NO_DOMAIN, _failure_seconds(error)
        except (dns.exception.DNSException, OSError):
            return DnsFailure.UNANSWERED, 0.0
        seconds = float(answer.chaining_result.minimum_ttl)
        if answer.rrset is None:
            return DnsFailure.NO_RECORD, min(seconds, _MAX_FAILURE_SECONDS)
        texts = tuple(_text_of(record) for record in islice(answer.rrset, _MAX_RECORDS_OF_ANSWER))
        authenticated = bool(answer.response.flags & dns.flags.AD)
        return DnsAnswer(texts, authenticated), min(seconds, _MAX_SECONDS)


def _key_of(name: str, kind: str) -> tuple[str, str]:
    return name.lower().rstrip("."), kind


def _stub(options: DnsOptions) -> dns.asyncresolver.Resolver:
    """Make a resolver that asks for the AD bit (RFC 6840, section 5.7).

    A machine without /etc/resolv.conf has no DNS servers: enough for a relay that has a next hop for everything.
    """
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.lifetime = options.seconds
    resolver.use_edns(0, 0, _PAYLOAD)
    resolver.flags = dns.flags.RD | dns.flags.AD
    if options.servers:
        resolver.nameservers = list(options.servers)
        resolver.port = options.port
    else:
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):
            resolver.read_resolv_conf("/etc/resolv.conf")
    if options.one_datagram:
        resolver.nameservers = [
            _DatagramServer(each, resolver.port) for each in resolver.nameservers if isinstance(each, str)
        ]
    return resolver


class _DatagramServer(dns.nameserver.Do53Nameserver):
    """A DNS server that is never asked over TCP."""

    async def async_query(  # noqa: PLR0917  # the signature is dnspython's
        self,
        request: dns.message.QueryMessage,
        timeout: float,  # noqa: ASYNC109
        source: str | None,
        source_port: int,
        max_size: bool,
        backend: Any,
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        """Ask; raise OSError in place of the second question after an answer that was cut."""
        if max_size:
            raise OSError("the answer is longer than a datagram")
        return await super().async_query(
            request, timeout, source, source_port, max_size, backend, one_rr_per_rrset, ignore_trailing
        )


def _failure_seconds(error: dns.resolver.NXDOMAIN) -> float:
    """Return the time to live of a name that does not exist: that of the SOA record beside the answer (RFC 2308, section 5)."""
    responses: dict[dns.name.Name, dns.message.QueryMessage] = error.kwargs["responses"]
    found = [float(response.resolve_chaining().minimum_ttl) for response in responses.values()]
    return min([*found, float(_MAX_FAILURE_SECONDS)])


def _text_of(record: dns.rdata.Rdata) -> str:
    if isinstance(record, dns.rdtypes.txtbase.TXTBase):
        # The strings of one record belong together (RFC 7208, section 3.3).
        return b"".join(record.strings).decode(errors="replace")
    return record.to_text()


def _mail_exchanger(text: str) -> MailExchanger:
    preference, _, host = text.partition(" ")
    return MailExchanger(int(preference), host.lower().rstrip("."))
