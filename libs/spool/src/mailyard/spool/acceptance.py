"""A message as a service hands it to the spool."""

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
    GENERATED = "generated"  # made by this installation, as bounces are; "bounce" in rows of 0.3.0 and before


@dataclass(frozen=True, slots=True)
class Client:
    """The client that transferred a message."""

    address: str = ""  # IP address
    name: str = ""  # in EHLO, HELO or LHLO
    protocol: str = ""  # RFC 3848 keyword, "ESMTPSA"
    tls: str = ""  # "TLSv1.3 TLS_AES_256_GCM_SHA384"
    account: str = ""  # account id, hex, of an authenticated client
    login: str = ""
    host: str = ""  # host name by reverse DNS; empty: not looked up
    certificate: str = ""  # subject of a verified client certificate, RFC 4514


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A message to be stored for good."""

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
    steps: tuple[tuple[str, str], ...] = ()  # events before acceptance with their details, for the timeline
    findings: tuple[Finding, ...] = ()  # of checks in the SMTP dialogue
    bounce_of: str | None = None  # row id and first outcome: one bounce for each, however often it is tried
