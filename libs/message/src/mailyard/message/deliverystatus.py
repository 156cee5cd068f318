"""The outcomes of a message's recipients, and the message/delivery-status part about them (RFC 3464).

An address beyond ASCII makes it message/global-delivery-status (RFC 6533). Nothing else does: what a remote host said is
written in ASCII otherwise, with a question mark for each other character.
"""

import binascii
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address

from mailyard.message.dates import rfc5322_date
from mailyard.message.notify import Event, wants

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_HOST = re.compile(r"(?P<host>[^\[\]\s:]*)(?:\[(?:IPv6:)?(?P<address>[0-9A-Fa-f:.]+)\])?(?::[0-9]+)?")
_WIDTH = 76
_MAX_WORD = 900
_MAX_TEXT = 2000


class DsnAction(StrEnum):
    """Action field of RFC 3464, section 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


_EVENTS = {DsnAction.FAILED: Event.FAILURE, DsnAction.DELAYED: Event.DELAY}


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """The outcome of one recipient. `notify` and `orcpt` are as RCPT gave them, empty if it did not.

    `remote_mta` is the host that answered: a name or an address, also as logs show it, `mx.example[192.0.2.1]:25`.
    """

    address: str
    outcome: DsnAction
    status: str  # enhanced status code (RFC 3463)
    diagnostic: str  # reply of the remote host, or the text of Mailyard
    notify: str = ""
    orcpt: str = ""
    remote_mta: str = ""
    last_attempt: datetime | None = None
    retry_until: datetime | None = None

    @property
    def wanted(self) -> bool:
        """RFC 3461, section 4.1: without NOTIFY, failures and delays are reported, successes are not."""
        return wants(self.notify, _EVENTS.get(self.outcome, Event.SUCCESS))

    @property
    def international(self) -> bool:
        """Whether its addresses need a report of RFC 6533."""
        return not (self.address.isascii() and self.orcpt.isascii())


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """The content of a notification.

    `original` is the message that it is about, whole or only its header section; it is returned whole if
    `ret` is FULL, `original_is_whole` says so, and it is fit for a mail of 8-bit lines.
    """

    sender: str  # reverse-path of the original: who gets the notification
    recipients: Sequence[RecipientReport]
    host: str  # the reporting MTA
    message_id: str  # of the notification, with angle brackets
    boundary: str
    now: datetime
    arrived_at: datetime
    original: bytes
    original_is_whole: bool = False
    ret: str = ""
    envid: str = ""


def status_entity(report: DeliveryReport, recipients: Sequence[RecipientReport]) -> bytes:
    """Return the MIME part for programs: a group of fields for the message, then one for each recipient."""
    groups = [_message_fields(report), *(_recipient_fields(recipient) for recipient in recipients)]
    text = "\r\n".join("".join(_folded(line) for line in group) for group in groups)
    if any(recipient.international for recipient in recipients):
        return entity(b"message/global-delivery-status", text.encode(errors="replace"))
    return entity(b"message/delivery-status", text.encode("ascii", errors="replace"))


def text_entity(content_type: bytes, content: bytes) -> bytes:
    """A MIME part of lines that is quoted-printable where it is not ASCII: it needs no 8BITMIME."""
    if content.isascii():
        return entity(content_type, content)
    head = b"Content-Type: %b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" % content_type
    return head + binascii.b2a_qp(content, istext=True)


def entity(content_type: bytes, content: bytes) -> bytes:
    """A MIME part that is sent as it is, without transfer encoding."""
    encoding = b"7bit" if content.isascii() else b"8bit"
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (content_type, encoding, content)


def one_line(text: str) -> str:
    """Text without control characters, of bounded length."""
    return _CONTROLS.sub(" ", text[:_MAX_TEXT]).strip()


def _message_fields(report: DeliveryReport) -> Iterator[str]:
    """RFC 3464, section 2.2."""
    if report.envid:
        yield f"Original-Envelope-Id: {_from_xtext(report.envid)}"
    yield f"Reporting-MTA: dns; {report.host}"
    yield f"Arrival-Date: {_date(report.arrived_at)}"


def _recipient_fields(recipient: RecipientReport) -> Iterator[str]:
    """RFC 3464, section 2.3."""
    if recipient.orcpt:
        kind, _, address = recipient.orcpt.partition(";")
        yield f"Original-Recipient: {kind}; {_from_xtext(address)}"
    kind = "rfc822" if recipient.address.isascii() else "utf-8"
    yield f"Final-Recipient: {kind}; {recipient.address}"
    yield f"Action: {recipient.outcome}"
    yield f"Status: {_status(recipient)}"
    remote = _mta_name(recipient.remote_mta)
    if remote:
        yield f"Remote-MTA: dns; {remote}"
    if recipient.diagnostic:
        kind = "smtp" if remote else "x-mailyard"
        yield f"Diagnostic-Code: {kind}; {recipient.diagnostic}"
    if recipient.last_attempt:
        yield f"Last-Attempt-Date: {_date(recipient.last_attempt)}"
    if recipient.retry_until and recipient.outcome is DsnAction.DELAYED:
        yield f"Will-Retry-Until: {_date(recipient.retry_until)}"


def _mta_name(host: str) -> str:
    """Return the domain name or the address literal of a host (RFC 3464, sections 2.1.2 and 2.3.5)."""
    match = _HOST.fullmatch(host.strip())
    name = (match["host"] or match["address"] or "") if match else one_line(host)
    try:
        address = ip_address(name)
    except ValueError:
        return name
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _status(recipient: RecipientReport) -> str:
    """The status code, which must be one and must not contradict the outcome (RFC 3464, section 2.3.4)."""
    digit = {DsnAction.FAILED: "5", DsnAction.DELAYED: "4"}.get(recipient.outcome, "2")
    fits = _STATUS.fullmatch(recipient.status) and recipient.status[0] == digit
    # a temporary failure that lasted too long is reported with its last status
    expired = (
        recipient.outcome is DsnAction.FAILED
        and recipient.status[:1] == "4"
        and _STATUS.fullmatch(recipient.status)
    )
    return recipient.status if fits or expired else f"{digit}.0.0"


def _folded(line: str) -> str:
    lines = textwrap.wrap(
        one_line(line), _WIDTH, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False
    )
    parts = [line[start : start + _MAX_WORD] for line in lines for start in range(0, len(line), _MAX_WORD)]
    return (
        "\r\n".join(part if part[0] == " " or not number else f" {part}" for number, part in enumerate(parts))
        + "\r\n"
    )


def _from_xtext(text: str) -> str:
    """RFC 3461, section 4: `+2B` is a plus sign. What is not printable ASCII stays encoded."""
    return _XTEXT.sub(
        lambda match: chr(code) if 0x21 <= (code := int(match[1], 16)) < 0x7F else match[0], text
    )


def _date(moment: datetime) -> str:
    return rfc5322_date(moment).decode("ascii")
