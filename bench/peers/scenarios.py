"""The loads of the comparison, and their goals."""

from dataclasses import dataclass

MAILBOXES = 20


@dataclass(frozen=True, slots=True)
class Goals:
    """Bounds for Mailyard over peer, as medians of neighbouring runs; None: nothing promised."""

    delivered_at_least: float
    accepted_at_least: float
    cpu_at_most: float | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load: how many connections at once, kept or one for each mail, and how many mails."""

    name: str
    title: str
    connections: int
    kept: bool
    messages: int
    goals: Goals

    def shrunk(self, messages: int) -> "Scenario":
        """The same load with at most `messages` mails, for a smoke test."""
        return Scenario(
            self.name, self.title, self.connections, self.kept, min(self.messages, messages), self.goals
        )


SCENARIOS = (
    Scenario("kept-20", "20 kept connections", 20, True, 3_000, Goals(2.5, 1.2, 0.4)),
    Scenario("kept-60", "60 kept connections", 60, True, 3_000, Goals(4.0, 2.0, 0.4)),
    Scenario("each-40", "40 at once, a connection for each mail", 40, False, 3_000, Goals(2.5, 1.5, 0.4)),
    Scenario("kept-1", "1 connection, one mail after another", 1, True, 300, Goals(0.3, 0.3, None)),
)
