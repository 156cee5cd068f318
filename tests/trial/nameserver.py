"""DNS servers on loopback with a few names, which validate all answers or none: one in a thread, one in the event loop."""

import asyncio
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]


@contextmanager
def fake_dns(zone: Zone, *, validates: bool) -> Iterator[str]:
    """Answer from `zone` ({(name, type): [text, …]}); a name of no type at all does not exist."""
    known = {name for name, _ in zone}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            octets, connection = self.request
            query = dns.message.from_wire(octets)
            [question] = query.question
            name = question.name.to_text(omit_final_dot=True)
            kind = dns.rdatatype.to_text(question.rdtype)
            answer = dns.message.make_response(query)
            if texts := zone.get((name, kind)):
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
            if name not in known:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            if validates and query.flags & dns.flags.AD:
                answer.flags |= dns.flags.AD
            connection.sendto(answer.to_wire(), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class DnsServer(asyncio.DatagramProtocol):
    """Answers from `zone`: (name, type) → records, or an rcode, or None: no answer at all."""

    def __init__(self) -> None:
        self.authenticates = False
        self.truncates = False
        self.ttl = 60
        self.zone: dict[tuple[str, str], list[str] | dns.rcode.Rcode | None] = {}
        self.names: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    def add(self, name: str, kind: str, *records: str) -> None:
        """Give a name records of a type."""
        self.zone[name, kind] = list(records)
        self.names.add(name)

    def break_(self, name: str, kind: str, how: dns.rcode.Rcode | None) -> None:
        """Answer a question with an error, or not at all."""
        self.zone[name, kind] = how
        self.names.add(name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = self._answer(query)
        if answer is not None:
            self._transport.sendto(answer.to_wire(max_size=65_535), addr)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name, kind = (
            question.name.to_text(omit_final_dot=True).lower(),
            dns.rdatatype.to_text(question.rdtype),
        )
        self.asked.append((name, kind))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.truncates:
            response.flags |= dns.flags.TC
        if self.authenticates and query.flags & dns.flags.AD:
            response.flags |= dns.flags.AD
        while (name, "CNAME") in self.zone:
            target = self.zone[name, "CNAME"][0]
            response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", target))
            name = target.rstrip(".")
        found = self.zone.get((name, kind), [])
        if found is None:
            return None
        if isinstance(found, dns.rcode.Rcode):
            response.set_rcode(found)
        elif found:
            response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind, *found))
        elif name not in self.names:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response
