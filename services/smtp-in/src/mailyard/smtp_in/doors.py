"""The doors by which mail comes in, and what stands behind all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from mailyard.listening.budget import MemoryBudget
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import Mode, Profile
from mailyard.smtp_in.headerfilters import Trace
from mailyard.smtp_in.measures import Measures
from mailyard.smtp_in.quota import QuotaGate
from mailyard.smtp_in.seams import Addresses, BodyStore, Logins, Queue, Sessions
from mailyard.smtp_in.submitted import SubmissionRules
from mailyard.spool.acceptance import Source

_MEMORY = 128 * 1024 * 1024


class DoorName(StrEnum):
    """The label `listener` of metrics."""

    MX = "mx"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"
    LMTP = "lmtp"


MODES: Mapping[DoorName, Mode] = {
    DoorName.MX: Mode.MX,
    DoorName.SUBMISSION: Mode.SUBMISSION,
    DoorName.SUBMISSIONS: Mode.SUBMISSION,
    DoorName.LMTP: Mode.LMTP,
}
SOURCES: Mapping[Mode, Source] = {
    Mode.MX: Source.MX,
    Mode.SUBMISSION: Source.SUBMISSION,
    Mode.LMTP: Source.LMTP,
}


class PressureGauge(Protocol):
    """Tells whether new messages can be taken."""

    def refusal(self) -> Reply | None:
        """The reply to a sender who should come back later, or None."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What every connection works with."""

    addresses: Addresses
    logins: Logins
    sessions: Sessions
    bodies: BodyStore
    queue: Queue
    pressure: PressureGauge
    postmaster_domain: str
    quotas: QuotaGate | None = None
    trace: Trace = field(default_factory=Trace)
    rules: SubmissionRules = field(default_factory=SubmissionRules)
    memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(_MEMORY))


@dataclass(frozen=True, slots=True)
class Door:
    """One kind of listener: what it is called, which protocol it speaks to whom, and what it works with."""

    name: DoorName
    profile: Profile
    backend: Backend
    measures: Measures
    plaintext_auth_on_loopback: bool = False


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is connected; `tls` is empty without it."""

    address: str
    tls: str = ""
