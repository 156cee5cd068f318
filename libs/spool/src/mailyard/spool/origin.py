"""The origin of a message in its row and in its tickets.

The row of a message has it in `source` and `client`, the row of a leg in `origin` and `client`. Rows and tickets of 0.2.0
lack some of it: the rest is read from the Received field that this installation put before the message.
"""

from collections.abc import Mapping

from mailyard.message.received import read_received
from mailyard.proto.v1.ticket_pb2 import Origin, Ticket
from mailyard.spool.acceptance import Source, TransferringClient
from mailyard.store.client import Row

_CLIENT_FIELDS = ("address", "name", "protocol", "tls", "account", "login", "host", "certificate")
_OF_USERS = frozenset({Source.SUBMISSION, Source.API, Source.GENERATED})
_RENAMED: Mapping[str, str] = {"bounce": Source.GENERATED}


def is_from_outside(origin: Origin) -> bool:
    """Say whether the sender is not authenticated, so that a bounce may hit a third party. Unknown origins count as such."""
    return origin.source not in _OF_USERS


def client_row(client: TransferringClient) -> Row:
    """Write the client of a message, without empty fields."""
    return {name: value for name in _CLIENT_FIELDS if (value := getattr(client, name))}


def client_row_of(origin: Origin) -> Row:
    """Write the client part of an origin, for the row of a leg."""
    return client_row(
        TransferringClient(
            address=origin.client_address,
            name=origin.helo,
            protocol=origin.protocol,
            tls=f"{origin.tls_version} {origin.tls_cipher}".strip(),
            account=origin.account,
            login=origin.login,
            host=origin.client_name,
            certificate=origin.certificate_subject,
        )
    )


def origin_of_row(row: Row) -> Origin:
    """Read the origin of a row of a message or a leg, of this version or an older one."""
    source = row.get("source") or row.get("origin", "")
    client = row.get("client")
    if not client:
        return _completed(source, row["prefix"])
    return _origin(_RENAMED.get(source, source), client)


def origin_of_client(source: str, client: TransferringClient) -> Origin:
    """Make the origin of a message that is being accepted."""
    return _origin(source, client_row(client))


def _origin(source: str, client: Mapping[str, str]) -> Origin:
    tls_version, _, tls_cipher = client.get("tls", "").partition(" ")
    return Origin(
        source=source,
        client_address=client.get("address"),
        client_name=client.get("host"),
        helo=client.get("name"),
        protocol=client.get("protocol"),
        tls_version=tls_version,
        tls_cipher=tls_cipher,
        account=client.get("account"),
        login=client.get("login"),
        certificate_subject=client.get("certificate"),
    )


def origin_of(ticket: Ticket) -> Origin:
    """Read the origin of a ticket of this version or an older one."""
    return ticket.origin if ticket.HasField("origin") else _completed(ticket.source, ticket.prefix)


def _completed(source: str, prefix: bytes) -> Origin:
    """Return what the Received field says; `source` counts more, where it is known."""
    received = read_received(prefix)
    if received is None:
        return Origin(source=_RENAMED.get(source, source))
    tls_version, _, tls_cipher = received.tls.partition(" ")
    return Origin(
        source=_RENAMED.get(source, source) or _source_of(received.protocol),
        client_address=received.client_ip,
        helo=received.greeting,
        protocol=received.protocol,
        tls_version=tls_version,
        tls_cipher=tls_cipher,
    )


def _source_of(protocol: str) -> Source:
    """RFC 3848, RFC 6531 section 4.3: keywords that end with A are those of authenticated clients."""
    if "LMTP" in protocol:
        return Source.LMTP
    return Source.SUBMISSION if protocol.endswith("A") else Source.MX
