"""The envelope of one transaction, its command lines, and whether a server can take it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mailyard.smtp.client.extensions import Extensions
from mailyard.smtp.client.replies import own_reply
from mailyard.smtp.parameters import BodyType
from mailyard.smtp.reply import Reply


class EightBit(StrEnum):
    """How a message declared 8BITMIME is sent when the server does not offer it.

    RFC 6152 section 3 knows conversion or failure. Conversion breaks signatures, and most clients declare 8BITMIME
    for plain ASCII, so SEND, which today's servers without the keyword all survive, is what relays usually choose.
    """

    SEND = "send"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class EnvelopeRecipient:
    """A forward-path with its DSN parameters (RFC 3461 sections 4.1 and 4.2) as received."""

    address: str
    notify: str = ""
    orcpt: str = ""

    def __post_init__(self) -> None:
        _check_path(self.address)
        _check_parameters(self.notify, self.orcpt)


@dataclass(frozen=True, slots=True)
class TransactionEnvelope:
    """One transaction: reverse-path (empty: the null one), forward-paths and the parameters of MAIL FROM."""

    sender: str
    recipients: tuple[EnvelopeRecipient, ...]
    size: int = 0  # octets of the message, before dot stuffing; 0: not known
    body: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False  # the message needs SMTPUTF8 (RFC 6531)
    ret: str = ""
    envid: str = ""

    def __post_init__(self) -> None:
        if not self.recipients:
            raise ValueError("an envelope needs at least one recipient")
        _check_path(self.sender)
        _check_parameters(self.ret, self.envid)

    @property
    def international(self) -> bool:
        """Whether a path itself needs SMTPUTF8."""
        return not (self.sender.isascii() and all(to.address.isascii() for to in self.recipients))


def unsuited(envelope: TransactionEnvelope, offered: Extensions, eight_bit: EightBit) -> Reply | None:
    """Return why this message cannot go to this server, as the reply that the server would give; None: it can."""
    if offered.size_limit and envelope.size > offered.size_limit:
        # RFC 1870 section 6.1: the answer is known.
        text = f"message of {envelope.size} octets exceeds the server's limit of {offered.size_limit}"
        return own_reply(552, "5.3.4", text)
    if envelope.international and not offered.smtp_utf8:
        return own_reply(553, "5.6.7", "an address needs SMTPUTF8, which the server does not offer")
    if envelope.smtputf8 and not offered.smtp_utf8:
        return own_reply(554, "5.6.9", "the header needs SMTPUTF8, which the server does not offer")
    if envelope.body is BodyType.BINARY and not (offered.binary_mime and offered.chunking):
        return own_reply(554, "5.6.3", "the message is BINARYMIME, which the server does not offer")
    if envelope.body is BodyType.EIGHT_BIT and eight_bit is EightBit.FAIL and not offered.eight_bit_mime:
        return own_reply(554, "5.6.3", "the message is 8BITMIME, which the server does not offer")
    return None


def mail_command(envelope: TransactionEnvelope, offered: Extensions) -> bytes:
    """Return MAIL FROM with the parameters that the server offers."""
    return _command(f"MAIL FROM:<{envelope.sender}>", _mail_parameters(envelope, offered))


def rcpt_command(recipient: EnvelopeRecipient, offered: Extensions) -> bytes:
    """Return RCPT TO, with DSN parameters only where DSN is offered (RFC 3461 section 5.2.2)."""
    return _command(f"RCPT TO:<{recipient.address}>", _rcpt_parameters(recipient, offered))


def _mail_parameters(envelope: TransactionEnvelope, offered: Extensions) -> Iterator[str]:
    if offered.size and envelope.size:
        yield f"SIZE={envelope.size}"
    if envelope.body is not BodyType.SEVEN_BIT and (
        offered.eight_bit_mime or envelope.body is BodyType.BINARY
    ):
        yield f"BODY={envelope.body}"
    if envelope.smtputf8 or envelope.international:
        yield "SMTPUTF8"
    if offered.dsn and envelope.ret:
        yield f"RET={envelope.ret}"
    if offered.dsn and envelope.envid:
        yield f"ENVID={envelope.envid}"


def _rcpt_parameters(recipient: EnvelopeRecipient, offered: Extensions) -> Iterator[str]:
    if offered.dsn and recipient.notify:
        yield f"NOTIFY={recipient.notify}"
    if offered.dsn and recipient.orcpt:
        yield f"ORCPT={recipient.orcpt}"


def _command(verb: str, parameters: Iterator[str]) -> bytes:
    return " ".join((verb, *parameters)).encode() + b"\r\n"


def _check_path(address: str) -> None:
    """Refuse a path with a line end or an unquoted angle bracket: it could smuggle a command."""
    if any(ord(char) < 0x20 or char == "\x7f" for char in address):
        raise ValueError(f"control character in address {address!r}")
    if ">" in address and not address.startswith('"'):
        raise ValueError(f"angle bracket in address {address!r}")


def _check_parameters(*values: str) -> None:
    for value in values:
        if any(ord(char) <= 0x20 or char == "\x7f" for char in value):
            raise ValueError(f"space or control character in parameter {value!r}")
