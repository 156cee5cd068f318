"""Both sides of the triggers while mail passes: what pods exported, what the HPA got, and whether they agree."""

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
class HpaAnswer:
    """What the HPA got, and when it was asked for."""

    asked_at: float
    reading: Reading


@dataclass(slots=True)
class Comparison:
    """Readings by trigger, in the order of time."""

    exported: dict[Trigger, list[Reading]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[Trigger, list[HpaAnswer]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[Trigger, str] = field(default_factory=dict)  # the last of each

    def seen(self, trigger: Trigger) -> bool:
        """Whether it was above 0 at some moment."""
        return any(one.reading.value > 0 for one in self.answers[trigger])

    def passed(self, trigger: Trigger) -> bool:
        """Whether it was above 0, and is 0 now."""
        return self.seen(trigger) and self.answers[trigger][-1].reading.value == 0

    def wrong(self) -> list[str]:
        """Sentences about values that were not exported then."""
        return [
            f"{trigger}: the HPA got {one.reading.value:g}"
            for trigger, all_ in self.answers.items()
            for one in all_
            if not matches(one, self.exported[trigger])
        ]

    def missing(self, wanted: Iterable[Trigger]) -> list[str]:
        """Sentences about triggers that never were above 0, or still are."""
        return [self._said(trigger) for trigger in wanted if not self.passed(trigger)]

    def counts(self) -> tuple[int, int]:
        """How many values were compared, and how many of them were above 0."""
        values = [one.reading.value for all_ in self.answers.values() for one in all_]
        return len(values), sum(value > 0 for value in values)

    def _said(self, trigger: Trigger) -> str:
        words = f"; last refusal: {self.refusals[trigger]}" if trigger in self.refusals else ""
        if self.seen(trigger):
            return f"{trigger} still shows {self.answers[trigger][-1].reading.value:g}{words}"
        return f"{trigger} was never above 0 in {len(self.answers[trigger])} answers{words}"


def matches(answer: HpaAnswer, exported: Sequence[Reading]) -> bool:
    """Whether that value was exported at about the time when the HPA's view was asked for."""
    first, last = answer.asked_at - EARLIER_SECONDS, answer.reading.at + LATER_SECONDS
    around = (one.value for one in exported if first <= one.at <= last)
    return any(abs(value - answer.reading.value) <= TOLERANCE for value in around)
