"""The verdict: acknowledged mails compared with the mailboxes and with the observers' records."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tests.chaos.mails import Arrival
from tests.trial.smtp import Outcome

SHOWN = 5

Copy: TypeAlias = tuple[str, int | None]  # mailbox and number


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to hand over a mail: for whom (as accepted at RCPT), and what came of it."""

    number: int
    mailboxes: tuple[str, ...]
    digest: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table: a count that must be 0, with examples."""

    what: str
    count: int
    examples: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Nothing to blame."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings, and figures that blame nobody."""

    findings: tuple[Finding, ...]
    figures: tuple[tuple[str, int], ...]

    @property
    def clean(self) -> bool:
        """No mail lost, doubled, changed, invented or out of order."""
        return all(finding.clean for finding in self.findings)

    def count(self, what: str) -> int:
        """Count of a finding by its name."""
        return next(finding.count for finding in self.findings if finding.what == what)

    def table(self) -> str:
        """Figures, findings and examples, a line each."""
        lines = [f"  {what:<44}{count:>8}" for what, count in self.figures]
        for finding in self.findings:
            lines.append(f"  {finding.what:<44}{finding.count:>8}   {'ok' if finding.clean else 'FAILED'}")
            lines += [f"      {example}" for example in finding.examples]
        return "\n".join(lines)


LOST = "acknowledged, not found"
DOUBLED = "doubled in a mailbox"
UNEXPECTED = "unexpected (never sent there)"
CHANGED = "octets changed"
ORDER = "UIDs not growing or seen too late"
UNACCOUNTED = "mailyard_mail_unaccounted"


def judge(
    attempts: Iterable[Attempt], arrivals: Sequence[Arrival], complaints: Sequence[str], unaccounted: float
) -> Verdict:
    """Compare both sides; `complaints` come from the observers, `unaccounted` from the router's metrics."""
    by_number = {attempt.number: attempt for attempt in attempts}
    copies: Counter[Copy] = Counter(
        (arrival.mailbox, arrival.number) for arrival in arrivals if arrival.number is not None
    )
    findings = (
        _finding(LOST, _lost(by_number.values(), copies)),
        _finding(DOUBLED, (f"{box}: number {number} × {n}" for (box, number), n in copies.items() if n > 1)),
        _finding(UNEXPECTED, (_name(arrival) for arrival in arrivals if not _was_sent(arrival, by_number))),
        _finding(CHANGED, (_name(arrival) for arrival in arrivals if _changed(arrival, by_number))),
        _finding(ORDER, complaints),
        Finding(UNACCOUNTED, round(abs(unaccounted))),
    )
    return Verdict(findings, _figures(by_number.values(), arrivals, by_number))


def _lost(attempts: Iterable[Attempt], copies: Counter[Copy]) -> Iterable[str]:
    for attempt in attempts:
        if attempt.outcome is Outcome.ACKNOWLEDGED:
            for mailbox in attempt.mailboxes:
                if not copies[mailbox, attempt.number]:
                    yield f"{mailbox}: number {attempt.number}"


def _was_sent(arrival: Arrival, by_number: dict[int, Attempt]) -> bool:
    attempt = None if arrival.number is None else by_number.get(arrival.number)
    return (
        attempt is not None and attempt.outcome is not Outcome.UNSENT and arrival.mailbox in attempt.mailboxes
    )


def _changed(arrival: Arrival, by_number: dict[int, Attempt]) -> bool:
    attempt = None if arrival.number is None else by_number.get(arrival.number)
    return attempt is not None and attempt.digest != arrival.digest


def _figures(
    attempts: Iterable[Attempt], arrivals: Sequence[Arrival], by_number: dict[int, Attempt]
) -> tuple[tuple[str, int], ...]:
    outcomes = Counter(attempt.outcome for attempt in attempts)
    found = Counter(by_number[arrival.number].outcome for arrival in arrivals if arrival.number in by_number)
    return (
        ("attempts", outcomes.total()),
        *((f"  {outcome.value}", outcomes[outcome]) for outcome in Outcome),
        ("mails found in mailboxes", len(arrivals)),
        ("  of those without an answer to the sender", found[Outcome.UNKNOWN]),
        ("  of those refused with 4xx (sent again)", found[Outcome.REFUSED]),
    )


def _finding(what: str, offenders: Iterable[str]) -> Finding:
    listed = list(offenders)
    return Finding(what, len(listed), tuple(listed[:SHOWN]))


def _name(arrival: Arrival) -> str:
    return f"{arrival.mailbox}: UID {arrival.uid}, number {arrival.number}"
