"""The results of a login: an identity, or a refusal."""

from dataclasses import dataclass, field
from enum import StrEnum

from mailyard.message.address import Address


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated account: the account's id in hex, its tenant, its address.

    `revision` is the last access change (`accesslog`) that was in force when the password was checked.
    """

    account: str
    tenant: str
    address: Address
    revision: int = field(default=0, compare=False)


class RefusalReason(StrEnum):
    """Why a login was refused, with the reply that it deserves in SMTP (RFC 4954, section 6; RFC 5248)."""

    BAD_CREDENTIALS = "bad-credentials"  # 535 5.7.8
    ACCOUNT_DISABLED = "account-disabled"  # 525 5.7.13, told only to those who know the password
    TOO_MANY_ATTEMPTS = "too-many-attempts"  # 454 4.7.0, nothing was checked
    UNAVAILABLE = "unavailable"  # 454 4.7.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A login that was refused; `retry_seconds` says when the next one has a chance, 0: any time."""

    reason: RefusalReason
    retry_seconds: float = 0.0
