"""Run checks one after another; a check that is impossible from here is reported as unknown."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pymongo.errors import PyMongoError

from mailyard.cli.installcheck.facts.absent import Absent
from mailyard.cli.installcheck.finding import Finding, Line, error, unknown
from mailyard.runtime.errors import Misconfigured, Unavailable

Look = Callable[[], Sequence[Finding]]
LookAtMail = Callable[[], Awaitable[Sequence[Finding]]]
SERVERS_AWAY = "Check that MongoDB and RabbitMQ run and accept the login."


@dataclass(slots=True)
class Report:
    """The findings so far; `say` is called with each area before its checks."""

    say: Callable[[str], None]
    lines: list[Line] = field(default_factory=list)

    def look(self, area: str, look: Look) -> bool:
        """Look at one area; False when it cannot be seen from here."""
        self.say(area)
        try:
            self.add(area, look())
        except Absent as absent:
            self.add(area, [unknown(str(absent), absent.instruction)])
            return False
        return True

    async def look_at_mail(self, area: str, look: LookAtMail) -> None:
        """Check one area through store and broker, which may be unreachable."""
        self.say(area)
        try:
            self.add(area, await look())
        except (Unavailable, PyMongoError) as problem:
            self.add(area, [error(str(problem), SERVERS_AWAY)])
        except Misconfigured as problem:
            self.add(area, [error(str(problem), "")])

    def add(self, area: str, findings: Sequence[Finding]) -> None:
        """Take findings that are known already."""
        self.lines += [Line(area, finding) for finding in findings]
