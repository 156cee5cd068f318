"""The kinds of listeners, and the backend that all of them work with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mailyard.runtime.budget import MemoryBudget
from mailyard.runtime.certificates import Certificates
from mailyard.smtp.server.limits import Mode, Profile
from mailyard.smtp_in.headerfilters import Trace
from mailyard.smtp_in.hooks import Hooks, SmtpHook
from mailyard.smtp_in.interfaces import Addresses, BodyStore, Logins, PressureGauge, Queue, Sessions
from mailyard.smtp_in.measures import Measures
from mailyard.smtp_in.policy import MemoryPolicy, OwnAddressPolicy, PressurePolicy, RecipientPolicy
from mailyard.smtp_in.quota import QuotaGate
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


@dataclass(frozen=True, slots=True)
class Backend:
    """The parts that every connection works with."""

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
    more_hooks: Sequence[SmtpHook] = ()
    own_addresses: OwnAddressPolicy = field(init=False)
    hooks: Hooks = field(init=False)

    def __post_init__(self) -> None:
        """Put the hooks that are always asked before those that are switched on."""
        own_addresses = OwnAddressPolicy(self.addresses, self.logins)
        always = [MemoryPolicy(self.memory), PressurePolicy(self.pressure), own_addresses, RecipientPolicy()]
        quotas = [self.quotas] if self.quotas is not None else []
        object.__setattr__(self, "own_addresses", own_addresses)
        object.__setattr__(self, "hooks", Hooks([*always, *quotas, *self.more_hooks]))


@dataclass(frozen=True, slots=True)
class Door:
    """One kind of listener. `implicit_tls`: the handshake comes first (RFC 8314 section 3.3)."""

    name: DoorName
    profile: Profile
    backend: Backend
    measures: Measures
    certificates: Certificates | None = None
    implicit_tls: bool = False
    plaintext_auth_on_loopback: bool = False
