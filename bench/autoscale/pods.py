"""The pods of one service: those that work and those that start."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Pods:
    """A pod works `start_seconds` after it was made; scale-in ends the youngest first and at once."""

    start_seconds: int
    _ready_at: list[int] = field(default_factory=list)
    _owed: float = 0.0

    @classmethod
    def running(cls, replicas: int, start_seconds: int) -> "Pods":
        """Pods that were there before the first second."""
        return cls(start_seconds, [0] * replicas)

    @property
    def replicas(self) -> int:
        """All pods."""
        return len(self._ready_at)

    def ready(self, now: int) -> int:
        """Pods that work in second `now`."""
        return sum(1 for at in self._ready_at if at <= now)

    def scale(self, now: int, replicas: int) -> None:
        """Make or end pods."""
        self._ready_at = self._ready_at[:replicas]
        self._ready_at += [now + self.start_seconds] * (replicas - len(self._ready_at))

    def capacity(self, now: int, rate: float) -> int:
        """Whole mails that all pods can do in this second; what a second does not use is gone, fractions are kept."""
        self._owed += self.ready(now) * rate
        whole = int(self._owed + 1e-9)
        self._owed -= whole
        return whole
