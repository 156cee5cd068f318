"""Answers of the DNS as values: records, or the reason why there are none."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

T = TypeVar("T")


class DnsFailure(Enum):
    """Why a question has no records."""

    NO_DOMAIN = auto()  # NXDOMAIN, or the text is no domain name
    NO_RECORD = auto()  # the name exists and has no records of this type
    UNANSWERED = auto()  # no usable answer in time: SERVFAIL, REFUSED, time-out; ask again later


@dataclass(frozen=True, slots=True)
class DnsAnswer(Generic[T]):
    """The records of one name and type; at least one.

    `authenticated`: the server set the AD bit, which says that it validated the answer by DNSSEC (RFC 4035,
    section 3.2.3). The bit is worth as much as the server and the way to it.
    """

    records: tuple[T, ...]
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class MailExchanger:
    """One MX record (RFC 5321, section 5.1)."""

    preference: int
    host: str  # lower case, without the final dot; empty: the root, which takes no mail (RFC 7505)


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """The A and AAAA records of a host; not `complete`: one of the two questions was not answered."""

    addresses: tuple[str, ...]
    complete: bool = True
