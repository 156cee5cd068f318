"""Makes of a finished transaction what the spool takes, with the Received field as its prefix."""

from datetime import datetime

from mailyard.message.dates import rfc5322_date
from mailyard.message.received import Hop, received_field
from mailyard.runtime.trace import new_trace
from mailyard.runtime.tracing import samples_next
from mailyard.smtp_in.headerfilters import Missing
from mailyard.smtp_in.hooks import SmtpContext
from mailyard.smtp_in.listeners import SOURCES
from mailyard.spool.acceptance import Acceptance, TransferringClient
from mailyard.store.body import Body

AUTHOR_REWRITTEN = "message.author_rewritten"
_FINDING = "message.finding"


def acceptance_of(context: SmtpContext, protocol: str, host: str, body: Body) -> Acceptance:
    """Put everything together. The tenant is the sender's own where it is known, else the first recipient's.

    Args:
        context: client and transaction.
        protocol: RFC 3848 keyword.
        host: our own name.
        body: the message as it is stored.

    """
    transaction, identity = context.transaction, context.identity
    recipients, missing = tuple(transaction.recipients), transaction.missing
    smtputf8 = transaction.parameters.smtputf8
    client = TransferringClient(
        address=context.client.address,
        name=context.helo,
        protocol=protocol,
        tls=context.client.tls,
        account=identity.account if identity else "",
        login=str(identity.address) if identity else "",
        host=context.client_host,
        certificate=context.client.certificate,
    )
    # RFC 5321 section 4.4: `for` names one recipient at most, because others may not see each other (section 7.6).
    recipient = recipients[0].address if len(recipients) == 1 else ""

    def prefix(spool_id: str, at: datetime) -> bytes:
        hop = Hop(
            greeting=client.name,
            client_ip=client.address,
            client_name=client.host,
            host=host,
            protocol=protocol,
            spool_id=spool_id,
            at=at,
            tls=client.tls,
            recipient=recipient,
            smtputf8=smtputf8,
        )
        return received_field(hop) + _added_fields(missing, host, spool_id, at)

    return Acceptance(
        sender=transaction.sender,
        recipients=recipients,
        tenant=identity.tenant if identity else recipients[0].tenant,
        source=SOURCES[context.mode],
        client=client,
        body=body,
        prefix=prefix,
        ret=transaction.parameters.ret,
        envid=transaction.parameters.envid,
        smtputf8=smtputf8,
        body_type=transaction.parameters.body.value,
        traceparent=str(new_trace(sampled=samples_next())),
        steps=(
            *((AUTHOR_REWRITTEN, str(each)) for each in transaction.rewritten),
            *((_FINDING, f"{each.check}/{each.rule}: {each.text}") for each in transaction.findings),
        ),
        findings=tuple(transaction.findings),
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
