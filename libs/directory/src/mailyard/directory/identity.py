"""The results of a login: an identity, or a refusal."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailyard.message.address import Address


@dataclass(frozen=True, slots=True)
class LoginClient:
    """The client of a login: its IP address, and the service that it wants to use."""

    address: str
    service: str


class ProofKind(StrEnum):
    """The kind of secret that proved a login."""

    PASSWORD = "password"  # noqa: S105  # the word, not one
    APP_PASSWORD = "app-password"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Proof:
    """The secret that proved a login: its kind, and the name, the scopes and the limits that its owner gave it."""

    kind: ProofKind = ProofKind.PASSWORD
    name: str = ""
    scopes: frozenset[str] = frozenset()  # the only protocols that it opens; empty: all
    id: str = ""  # of the app password, in hex
    networks: tuple[str, ...] = ()  # that may use it; empty: all
    until: datetime | None = None  # when it expires; None: never


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated account: the account's id in hex, its tenant, its address.

    `revision` is the last access change (`accesslog`) that was in force when the password was checked. `proof` says
    what proved the login.
    """

    account: str
    tenant: str
    address: Address
    revision: int = field(default=0, compare=False)
    proof: Proof = field(default=Proof(), compare=False)


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
