"""The options of a client session."""

from dataclasses import dataclass
from enum import StrEnum

from mailyard.smtp.client.authentication import LoginCredentials
from mailyard.smtp.client.envelope import EightBit


class Dialect(StrEnum):
    """The protocol of the server."""

    SMTP = "smtp"
    LMTP = "lmtp"  # RFC 2033


class Security(StrEnum):
    """The TLS that is required of a next hop."""

    NONE = "none"  # never
    MAY = "may"  # when offered, with any certificate; cleartext otherwise (RFC 7435)
    ENCRYPT = "encrypt"  # always, with any certificate
    VERIFY = "verify"  # always, with a certificate that proves the server's name

    @property
    def required(self) -> bool:
        """Whether mail may only be sent encrypted."""
        return self in {Security.ENCRYPT, Security.VERIFY}


@dataclass(frozen=True, slots=True)
class Options:
    """`chunking_from`: messages of at least so many octets go by BDAT where offered; None: only BINARYMIME does."""

    hostname: str
    dialect: Dialect = Dialect.SMTP
    security: Security = Security.MAY
    credentials: LoginCredentials | None = None
    eight_bit: EightBit = EightBit.SEND
    chunking_from: int | None = None
