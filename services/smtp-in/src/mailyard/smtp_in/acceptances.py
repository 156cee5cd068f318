"""Turns a finished transaction into what the spool takes, with the Received field as its prefix."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailyard.directory.identity import Identity
from mailyard.message.received import Hop, received_field, rfc5322_date
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.runtime.trace import new_trace
from mailyard.runtime.tracing import samples_next
from mailyard.smtp.parameters import NO_MAIL_PARAMETERS, MailParameters
from mailyard.smtp_in.doors import Visitor
from mailyard.smtp_in.headerfilters import NOTHING_MISSING, Missing, Rewritten
from mailyard.spool.acceptance import Acceptance, Client, Source
from mailyard.store.body import Body

AUTHOR_REWRITTEN = "message.author_rewritten"
_RECIPIENT_OCTETS = 1024  # objects of one recipient here and in the session, without their texts


@dataclass(slots=True)
class Envelope:
    """What MAIL and RCPT said and policy agreed to."""

    sender: str = ""
    parameters: MailParameters = NO_MAIL_PARAMETERS
    recipients: list[Recipient] = field(default_factory=list)
    missing: Missing = NOTHING_MISSING
    rewritten: Sequence[Rewritten] = ()
    octets: int = 0  # of memory that the recipients take

    def add(self, recipient: Recipient) -> None:
        """Add a recipient that was accepted."""
        self.recipients.append(recipient)
        self.octets += _RECIPIENT_OCTETS + 2 * (len(recipient.address) + len(recipient.orcpt))


@dataclass(frozen=True, slots=True)
class Reception:
    """How a message came in."""

    source: Source
    host: str
    visitor: Visitor
    client_name: str
    protocol: str
    identity: Identity | None

    def client(self) -> Client:
        """Return what the spool row keeps of the client."""
        return Client(
            address=self.visitor.address,
            name=self.client_name,
            protocol=self.protocol,
            tls=self.visitor.tls,
            account=self.identity.account if self.identity else "",
            login=str(self.identity.address) if self.identity else "",
        )


def acceptance_of(reception: Reception, envelope: Envelope, body: Body) -> Acceptance:
    """Put everything together. The tenant is the sender's own where it is known, else the first recipient's."""
    recipients = tuple(envelope.recipients)
    identity, missing = reception.identity, envelope.missing
    smtputf8 = envelope.parameters.smtputf8

    def prefix(spool_id: str, at: datetime) -> bytes:
        trace = received_field(_hop(reception, recipients, spool_id, at, smtputf8=smtputf8))
        return trace + _added_fields(missing, reception.host, spool_id, at)

    return Acceptance(
        sender=envelope.sender,
        recipients=recipients,
        tenant=identity.tenant if identity else recipients[0].tenant,
        source=reception.source,
        client=reception.client(),
        body=body,
        prefix=prefix,
        ret=envelope.parameters.ret,
        envid=envelope.parameters.envid,
        smtputf8=smtputf8,
        body_type=envelope.parameters.body.value,
        traceparent=str(new_trace(sampled=samples_next())),
        steps=tuple((AUTHOR_REWRITTEN, str(each)) for each in envelope.rewritten),
    )


def _added_fields(missing: Missing, host: str, spool_id: str, at: datetime) -> bytes:
    """Fields that a submitted message lacks: RFC 6409 sections 8.1 to 8.3; RFC 5322 section 3.6 demands From and Date."""
    fields = b""
    if missing.message_id:
        fields += f"Message-ID: <{spool_id}@{host}>\r\n".encode()
    if missing.date:
        fields += b"Date: " + rfc5322_date(at) + b"\r\n"
    if missing.author:
        fields += f"From: {missing.author}\r\n".encode()
    if missing.sender:
        fields += f"Sender: {missing.sender}\r\n".encode()
    return fields


def _hop(
    reception: Reception, recipients: tuple[Recipient, ...], spool_id: str, at: datetime, *, smtputf8: bool
) -> Hop:
    """RFC 5321 section 4.4: `for` names one recipient at most, because others may not see each other (section 7.6)."""
    return Hop(
        greeting=reception.client_name,
        client_ip=reception.visitor.address,
        client_name="",
        host=reception.host,
        protocol=reception.protocol,
        spool_id=spool_id,
        at=at,
        tls=reception.visitor.tls,
        recipient=recipients[0].address if len(recipients) == 1 else "",
        smtputf8=smtputf8,
    )
