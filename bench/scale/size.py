"""Amounts of data to load: those of the design, times a factor."""

from dataclasses import dataclass

TENANTS = 100


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of documents."""

    ended: int  # rows of messages that ended within 30 days
    waiting: int  # active rows that wait for relay
    deferred: int  # rows of one site that are due, and a hundredth as many of other sites
    minutes: int  # open minutes of the ledger, each with a line of each tenant
    messages: int  # in one mailbox
    mailboxes: int
    accounts: int

    @property
    def bodies(self) -> int:
        """Number of bodies: of waiting rows and of messages, and a thousandth as many without a reference."""
        return self.waiting + self.messages


def size_of(scale: float) -> Size:
    """Return the amounts of the design times `scale`, and never less than a handful."""

    def part(number: int) -> int:
        return max(20, round(number * scale))

    return Size(
        ended=part(1_000_000),
        waiting=part(1_000_000),
        deferred=part(100_000),
        minutes=part(5_000),
        messages=part(1_000_000),
        mailboxes=part(100_000),
        accounts=part(20_000),
    )
