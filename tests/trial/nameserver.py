"""A DNS server on loopback that knows a few names, and validates all or nothing."""

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
