"""Clocks: leases, retries and certificates compare times of different machines."""

from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok, warning

NOTABLE_SECONDS = 5.0
BAD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Skew:
    """Seconds by which a server's clock is ahead of this one; negative: behind."""

    server: str
    seconds: float


def check_clock(skew: Skew) -> list[Finding]:
    """Check that the difference is less than a minute."""
    text = f"the clock of {skew.server} differs by {abs(skew.seconds):.0f} s from this machine's"
    advice = "Use NTP on all machines, and find out which clock is wrong."
    if abs(skew.seconds) > BAD_SECONDS:
        return [error(text, advice)]
    return [warning(text, advice)] if abs(skew.seconds) > NOTABLE_SECONDS else [ok(text)]
