"""What a front end gives to the spool when it accepts a message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailyard.proto.v1.ticket_pb2 import MailClass, Recipient
from mailyard.spool.finding import Finding
from mailyard.store.body import Body


class Source(StrEnum):
    """How a message came in."""

    MX = "mx"
    SUBMISSION = "submission"
    LMTP = "lmtp"
    API = "api"
    GENERATED = "generated"  # made by Mailyard itself, such as a bounce; 0.2.0 wrote "bounce"


@dataclass(frozen=True, slots=True)
class TransferringClient:
    """The client that transferred a message."""

    address: str = ""  # IP address
    name: str = ""  # in EHLO, HELO or LHLO
    protocol: str = ""  # RFC 3848 keyword, "ESMTPSA"
    tls: str = ""  # "TLSv1.3 TLS_AES_256_GCM_SHA384"
    account: str = ""  # account id, hex, of an authenticated client
    login: str = ""
    host: str = ""  # host name by reverse DNS; empty: not looked up
    certificate: str = ""  # subject of a verified client certificate, RFC 4514


def no_prefix(_spool_id: str, _accepted_at: datetime) -> bytes:
    """Return the prefix of mail that is complete."""
    return b""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A message, and all that its row says from the beginning."""

    sender: str  # reverse-path; "" for the null reverse-path
    recipients: tuple[Recipient, ...]
    tenant: str
    source: Source
    body: Body
    client: TransferringClient = TransferringClient()  # generated mail has none
    prefix: Callable[[str, datetime], bytes] = (
        no_prefix  # header fields for a spool id and the time of acceptance
    )
    ret: str = ""
    envid: str = ""
    smtputf8: bool = False
    body_type: str = "7BIT"
    mail_class: MailClass = MailClass.MAIL_CLASS_NORMAL
    traceparent: str = ""
    steps: tuple[tuple[str, str], ...] = ()  # event and detail of changes on acceptance, for the timeline
    findings: tuple[Finding, ...] = ()  # of checks in the SMTP dialogue
    dedupe_key: str | None = None  # of generated mail: one message for each key
    hold: str = ""  # why it is held instead of being sent on; empty: it is not held
