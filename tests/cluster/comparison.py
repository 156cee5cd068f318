"""Both sides of the triggers while mail passes: what pods exported, what the HPA was told, and whether they agree."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.cluster.scaling import Trigger

TOLERANCE = 0.0011  # an external metric is a quantity in thousandths
EARLIER_SECONDS, LATER_SECONDS = 2.0, 1.0  # a request to a page, and the way through KEDA


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure at a time (monotonic seconds)."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the HPA was told, and when it was asked for."""

    asked_at: float
    reading: Reading


@dataclass(slots=True)
class Comparison:
    """Readings by trigger, in the order of time."""

    exported: dict[Trigger, list[Reading]] = field(default_factory=lambda: defaultdict(list))
    told: dict[Trigger, list[Told]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[Trigger, str] = field(default_factory=dict)  # the last of each

    def seen(self, trigger: Trigger) -> bool:
        """Whether it told more than 0 at some moment."""
        return any(one.reading.value > 0 for one in self.told[trigger])

    def passed(self, trigger: Trigger) -> bool:
        """Whether it told more than 0, and tells 0 now."""
        return self.seen(trigger) and self.told[trigger][-1].reading.value == 0

    def wrong(self) -> list[str]:
        """Sentences about values that were not exported then."""
        return [
            f"{trigger}: the HPA was told {one.reading.value:g}"
            for trigger, all_ in self.told.items()
            for one in all_
            if not matches(one, self.exported[trigger])
        ]

    def missing(self, wanted: Iterable[Trigger]) -> list[str]:
        """Sentences about triggers that never told more than 0, or still do."""
        return [self._said(trigger) for trigger in wanted if not self.passed(trigger)]

    def counts(self) -> tuple[int, int]:
        """How many values were compared, and how many of them were above 0."""
        values = [one.reading.value for all_ in self.told.values() for one in all_]
        return len(values), sum(value > 0 for value in values)

    def _said(self, trigger: Trigger) -> str:
        words = f"; last refusal: {self.refusals[trigger]}" if trigger in self.refusals else ""
        if self.seen(trigger):
            return f"{trigger} still tells {self.told[trigger][-1].reading.value:g}{words}"
        return f"{trigger} was never above 0 in {len(self.told[trigger])} answers{words}"


def matches(told: Told, exported: Sequence[Reading]) -> bool:
    """Whether that value was exported at about the time when the HPA's view was asked for."""
    first, last = told.asked_at - EARLIER_SECONDS, told.reading.at + LATER_SECONDS
    around = (one.value for one in exported if first <= one.at <= last)
    return any(abs(value - told.reading.value) <= TOLERANCE for value in around)
