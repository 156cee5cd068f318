"""The schedule of faults (kill, stop, cut, stall) for each part; the seed alone decides it."""

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import cycle, islice

from mailyard.runtime.services import NAMES as SERVICES

SERVERS = ("rabbitmq", "mongod")
LINKS = ("amqp", "mongo")
TERM_SERVICES = SERVICES
QUIET_AT_START_SECONDS = 3.0
BURST_LEAD_SECONDS = 0.2
EVEN_SHARE = 0.4


class Kind(Enum):
    """What happens to the target."""

    KILL = "kill -9"
    TERM = "SIGTERM"
    CUT = "cut"
    STALL = "stall"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Fault:
    """One event: `seconds` after the start; `share` of connections for a cut, `duration` for a stall or an absence."""

    seconds: float
    kind: Kind
    target: str
    duration: float = 0.0
    share: float = 0.0

    def __str__(self) -> str:
        """As the log of a run shows it."""
        lasting = f" for {self.duration:.1f} s" if self.duration else ""
        share = f" {self.share:.0%} of connections" if self.share else ""
        return f"{self.seconds:6.1f} s  {self.kind.value:<8} {self.target}{lasting}{share}"


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many faults of each kind a run has."""

    kills: int
    terms: int
    cuts: int
    stalls: int
    aways: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.kills + self.terms + self.cuts + self.stalls + self.aways


def plan(seed: int, amounts: Amounts, seconds: float) -> tuple[Fault, ...]:
    """Faults at uneven times over the run; every target gets its turn before any gets a second one."""
    chance = random.Random(f"schedule {seed}")
    events = [
        *((Kind.KILL, target) for target in _turns(chance, SERVICES + SERVERS, amounts.kills)),
        *((Kind.TERM, target) for target in _turns(chance, TERM_SERVICES, amounts.terms)),
        *((Kind.CUT, target) for target in _turns(chance, LINKS, amounts.cuts)),
        *((Kind.STALL, target) for target in _turns(chance, LINKS, amounts.stalls)),
        *((Kind.AWAY, target) for target in _turns(chance, LINKS, amounts.aways)),
    ]
    chance.shuffle(events)
    times = sorted(chance.uniform(QUIET_AT_START_SECONDS, seconds) for _ in events)
    return tuple(_fault(chance, time, *event) for time, event in zip(times, events, strict=True))


def allowance(faults: Sequence[Fault], mails: int, seconds: float) -> Callable[[float], float]:
    """How many mails may have been sent so many seconds after the start.

    Four tenths go evenly; the rest comes in bursts that begin just before each fault, so that faults hit work.
    """
    begins = [fault.seconds - BURST_LEAD_SECONDS for fault in faults]

    def allowed(elapsed: float) -> float:
        even = min(1.0, elapsed / seconds)
        burst = bisect_right(begins, elapsed) / len(begins) if begins else even
        return mails * (EVEN_SHARE * even + (1 - EVEN_SHARE) * burst)

    return allowed


def _turns(chance: random.Random, targets: Sequence[str], count: int) -> list[str]:
    order = list(targets)
    chance.shuffle(order)
    return list(islice(cycle(order), count))


def _fault(chance: random.Random, seconds: float, kind: Kind, target: str) -> Fault:
    duration = chance.uniform(0.5, 6.0)
    share = chance.choice((0.2, 0.5, 1.0))
    return Fault(
        seconds,
        kind,
        target,
        duration=duration if kind in (Kind.STALL, Kind.AWAY) else 0.0,
        share=share if kind is Kind.CUT else 0.0,
    )
