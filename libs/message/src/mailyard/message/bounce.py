"""Delivery status notifications (RFC 3464, in a multipart/report of RFC 6522), composed from values.

The sender's wishes count (RFC 3461: NOTIFY, RET, ENVID, ORCPT). Addresses beyond ASCII make it a report of
RFC 6533; any other report is in ASCII, and only a returned message may need 8BITMIME. A notification is never made for the
null reverse-path.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.message.charsets import is_utf8
from mailyard.message.dates import rfc5322_date
from mailyard.message.deliverystatus import (
    DeliveryReport,
    DsnAction,
    RecipientReport,
    entity,
    one_line,
    status_entity,
    text_entity,
)
from mailyard.message.fields import first_value, header_end, scan_fields
from mailyard.message.messageids import first_message_id

_WIDTH = 76
_MAX_LINE = 998
_MAX_FIELDS = 1000
_MAX_HEADER = 65_536
_LONG_LINE = re.compile(rb"^[^\n]{%d}" % (_MAX_LINE + 2), re.MULTILINE)
_SENTENCES = {
    DsnAction.FAILED: "Your mail could not be delivered to the following recipients. It will not be tried again.",
    DsnAction.DELAYED: "Your mail has not yet been delivered to the following recipients. It will be tried again; "
    "you need not send it once more.",
    DsnAction.DELIVERED: "Your mail was delivered to the following recipients.",
    DsnAction.RELAYED: "Your mail was passed on, for the following recipients, to a system that does not "
    "report on delivery.",
    DsnAction.EXPANDED: "Your mail was passed on to the members behind the following addresses.",
}
_SUBJECTS = {  # of a report about several outcomes, the first
    DsnAction.FAILED: "Undelivered mail returned to sender",
    DsnAction.DELAYED: "Your mail is delayed",
    DsnAction.RELAYED: "Your mail was passed on",
    DsnAction.EXPANDED: "Your mail was passed on",
    DsnAction.DELIVERED: "Your mail has arrived",
}


@dataclass(frozen=True, slots=True)
class Notification:
    """A composed notification and what its transport needs (RFC 6152, RFC 6531)."""

    octets: bytes
    is_8bit: bool
    needs_smtputf8: bool


def compose_bounce(report: DeliveryReport) -> Notification | None:
    """Compose the notification; None if nobody is to get one."""
    recipients = [recipient for recipient in report.recipients if recipient.wanted]
    if not report.sender or not recipients:
        return None
    parts = [
        text_entity(b"text/plain; charset=utf-8", _explanation(report, recipients)),
        status_entity(report, recipients),
        _returned_original(report, recipients),
    ]
    boundary = report.boundary.encode("ascii")
    while any(boundary in part for part in parts):
        boundary += b"="
    delimiter = b"\r\n--" + boundary
    head = _header(report, _subject(recipients), boundary)
    octets = head + b"".join(delimiter + b"\r\n" + part for part in parts) + delimiter + b"--\r\n"
    return Notification(octets, is_8bit=not octets.isascii(), needs_smtputf8=not head.isascii())


def _subject(recipients: Sequence[RecipientReport]) -> str:
    outcomes = {recipient.outcome for recipient in recipients}
    return next(subject for outcome, subject in _SUBJECTS.items() if outcome in outcomes)


def _header(report: DeliveryReport, subject: str, boundary: bytes) -> bytes:
    fields = scan_fields(_header_section(report.original), _MAX_FIELDS)
    original_id = first_message_id(first_value(fields, b"message-id") or b"")
    lines = [
        f"Date: {rfc5322_date(report.now).decode('ascii')}",
        f"From: Mail Delivery System <MAILER-DAEMON@{one_line(report.host)}>",
        f"To: <{one_line(report.sender)}>",
        f"Subject: {subject}",
        f"Message-ID: {one_line(report.message_id)}",
        *([f"References: {one_line(original_id)}"] if original_id.isascii() and original_id else []),
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary.decode("ascii")}"',
        "",
    ]
    return "\r\n".join(lines).encode(errors="replace")


def _explanation(report: DeliveryReport, recipients: Sequence[RecipientReport]) -> bytes:
    """Return the explanation for the sender."""
    lines = [f"This is the mail system of {one_line(report.host)}.", ""]
    for outcome, sentence in _SENTENCES.items():
        concerned = [recipient for recipient in recipients if recipient.outcome is outcome]
        if concerned:
            lines += [*textwrap.wrap(sentence, _WIDTH), ""]
        for recipient in concerned:
            lines += [f"  <{one_line(recipient.address)}>"]
            if outcome is DsnAction.DELAYED and recipient.retry_until:
                lines += [
                    f"    It will be tried until {rfc5322_date(recipient.retry_until).decode('ascii')}."
                ]
            lines += textwrap.wrap(
                one_line(recipient.diagnostic), _WIDTH, initial_indent="    ", subsequent_indent="    "
            )
            lines += [""]
    return "\r\n".join(lines).encode(errors="replace")


def _returned_original(report: DeliveryReport, recipients: Sequence[RecipientReport]) -> bytes:
    """Return the original whole if the sender asked for it and it can be sent, else its header section.

    Only failures return it whole (RFC 3461, section 4.3). A header section beyond ASCII is quoted-printable (RFC 6522,
    section 4), or as it is in a report of RFC 6533.
    """
    failed = any(recipient.outcome is DsnAction.FAILED for recipient in recipients)
    wanted = failed and report.ret.upper() == "FULL"
    if wanted and report.original_is_whole and _is_sendable(report.original):
        return entity(b"message/rfc822", report.original)
    header = _header_section(report.original)
    lines = [line[:_MAX_LINE] for line in header.replace(b"\0", b"?").splitlines()]
    content = b"\r\n".join(lines) + b"\r\n"
    if not header.isascii() and any(recipient.international for recipient in recipients) and is_utf8(content):
        return entity(b"message/global-headers", content)
    return text_entity(b"text/rfc822-headers", content)


def _header_section(message: bytes) -> bytes:
    return message[: min(header_end(message, 0, len(message)), _MAX_HEADER)]


def _is_sendable(octets: bytes) -> bool:
    """Return whether octets are 8bit data of RFC 2045, section 2.8: lines that end with CRLF, short enough, no NUL."""
    all_crlf = octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r")
    return all_crlf and b"\0" not in octets and not _LONG_LINE.search(octets)
