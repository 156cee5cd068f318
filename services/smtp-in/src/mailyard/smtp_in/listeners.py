"""The kinds of listeners, and the backend that all of them work with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.listening.budget import MemoryBudget
from mailyard.smtp.server.limits import Mode, Profile
from mailyard.smtp_in.headerfilters import Trace
from mailyard.smtp_in.hooks import Hooks, SmtpHook
from mailyard.smtp_in.measures import Measures
from mailyard.smtp_in.policy import MemoryPolicy, OwnAddressPolicy, PressurePolicy, RecipientPolicy
from mailyard.smtp_in.pressure import Pressure
from mailyard.smtp_in.quota import QuotaGate
from mailyard.smtp_in.submitted import SubmissionRules
from mailyard.spool.acceptance import Source
from mailyard.spool.queue.spool import Spool
from mailyard.store.blobs import Blobs

_MEMORY = 128 * 1024 * 1024


class ListenerName(StrEnum):
    """The label `listener` of metrics."""

    MX = "mx"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"
    LMTP = "lmtp"


MODES: Mapping[ListenerName, Mode] = {
    ListenerName.MX: Mode.MX,
    ListenerName.SUBMISSION: Mode.SUBMISSION,
    ListenerName.SUBMISSIONS: Mode.SUBMISSION,
    ListenerName.LMTP: Mode.LMTP,
}
SOURCES: Mapping[Mode, Source] = {
    Mode.MX: Source.MX,
    Mode.SUBMISSION: Source.SUBMISSION,
    Mode.LMTP: Source.LMTP,
}


@dataclass(frozen=True, slots=True)
class ReceptionServices:
    """The parts that every connection works with."""

    addresses: Directory
    logins: Authenticator
    sessions: AccessWatch
    bodies: Blobs
    queue: Spool
    pressure: Pressure
    postmaster_domain: str
    quotas: QuotaGate | None = None
    trace: Trace = field(default_factory=Trace)
    rules: SubmissionRules = field(default_factory=SubmissionRules)
    memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(_MEMORY))
    first_hooks: Sequence[SmtpHook] = ()
    more_hooks: Sequence[SmtpHook] = ()
    own_addresses: OwnAddressPolicy = field(init=False)
    hooks: Hooks = field(init=False)

    def __post_init__(self) -> None:
        """Put the hooks that are always asked between those that are switched on: `first_hooks` and `more_hooks`."""
        own_addresses = OwnAddressPolicy(self.addresses, self.logins)
        always = [MemoryPolicy(self.memory), PressurePolicy(self.pressure), own_addresses, RecipientPolicy()]
        quotas = [self.quotas] if self.quotas is not None else []
        object.__setattr__(self, "own_addresses", own_addresses)
        object.__setattr__(self, "hooks", Hooks([*self.first_hooks, *always, *quotas, *self.more_hooks]))


@dataclass(frozen=True, slots=True)
class ListenerProfile:
    """One kind of listener: what it is called, which protocol it speaks to whom, and what it works with."""

    name: ListenerName
    profile: Profile
    backend: ReceptionServices
    measures: Measures
    plaintext_auth_on_loopback: bool = False
    greeting_delay: Callable[[str], float] | None = (
        None  # seconds that a client of an address waits for the greeting
    )
