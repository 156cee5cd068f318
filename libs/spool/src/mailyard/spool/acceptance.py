"""What an edge hands to the spool when it has taken a message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailyard.proto.v1.ticket_pb2 import MailClass, Recipient
from mailyard.store.body import Body


class Source(StrEnum):
    """By which door a message came."""

    MX = "mx"
    SUBMISSION = "submission"
    LMTP = "lmtp"
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class Client:
    """Who gave us the message."""

    address: str = ""  # IP address
    name: str = ""  # as said in EHLO, HELO or LHLO
    protocol: str = ""  # RFC 3848 keyword, "ESMTPSA"
    tls: str = ""  # "TLSv1.3 TLS_AES_256_GCM_SHA384"
    account: str = ""  # account id, hex, of an authenticated client
    login: str = ""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A message that an edge answers for once the spool has it."""

    sender: str  # reverse-path; "" for the null reverse-path
    recipients: tuple[Recipient, ...]
    tenant: str
    source: Source
    client: Client
    body: Body
    prefix: Callable[[str, datetime], bytes]  # header fields for a spool id and the time of acceptance
    ret: str = ""
    envid: str = ""
    smtputf8: bool = False
    body_type: str = "7BIT"
    mail_class: MailClass = MailClass.MAIL_CLASS_NORMAL
    traceparent: str = ""
    steps: tuple[tuple[str, str], ...] = ()  # event and detail of what the edge did to it, for the timeline
    bounce_of: str | None = None  # row id and first outcome: one bounce for each, however often it is tried
