"""Placing many messages: cut into transactions, so that one busy or full mailbox never holds up the others."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bson import ObjectId

from mailyard.mailbox.place import MailboxGone, Placed, Placement, place
from mailyard.mailbox.quota import NO_QUOTAS, OverQuota, Quotas
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.store.client import Store
from mailyard.store.transaction import Contended

MAX_PLACEMENTS = 100  # of one transaction
_TRIES = 4  # of a transaction before it is cut in two
_ALONE = 30  # of a transaction for one mailbox, before the messages are given back
_SPLIT = counter("mailyard_mailbox_transactions_split_total")


@dataclass(slots=True)
class Placing:
    """What became of each placement. A message that is in none of these was in its mailbox before."""

    placed: dict[str, Placed] = field(default_factory=dict)
    over_quota: set[str] = field(default_factory=set)  # message ids
    busy: set[str] = field(default_factory=set)  # message ids: other writers were first each time
    gone: set[ObjectId] = field(default_factory=set)  # mailboxes that do not exist: look again and repeat

    def add(self, other: "Placing") -> None:
        """Take what became of other placements; the mailboxes that are gone are the caller's to repeat."""
        self.placed |= other.placed
        self.over_quota |= other.over_quota
        self.busy |= other.busy


async def place_many(
    store: Store,
    placements: Sequence[Placement],
    *,
    quotas: Quotas = NO_QUOTAS,
    clock: Clock = now_utc,
) -> Placing:
    """Place messages in transactions of at most `MAX_PLACEMENTS`.

    A portion that other writers keep from committing goes behind the others and is cut in two, down to one mailbox, whose
    messages are given back as busy in the end. Messages of full accounts and of mailboxes that are gone are left out, and
    the rest of their portion is placed.

    Raises:
        Unavailable: the store is unreachable; what was placed before is found again by its delivery keys.

    """
    result = Placing()
    waiting = deque(_cut(placements, MAX_PLACEMENTS))
    while waiting:
        portion = waiting.popleft()
        mailboxes = {each.mailbox for each in portion}
        tries = _ALONE if len(mailboxes) == 1 else _TRIES
        try:
            result.placed |= await place(store, portion, quotas=quotas, clock=clock, max_tries=tries)
        except OverQuota as error:
            result.over_quota |= error.messages
            waiting.appendleft([each for each in portion if each.message.id not in error.messages])
        except MailboxGone as error:
            result.gone |= error.mailboxes
            waiting.appendleft([each for each in portion if each.mailbox not in error.mailboxes])
        except Contended:
            _SPLIT.inc()
            if len(mailboxes) == 1:
                result.busy |= {each.message.id for each in portion}
            else:
                waiting.extend(_halves(portion))
    return result


def _cut(placements: Sequence[Placement], size: int) -> Iterator[Sequence[Placement]]:
    for start in range(0, len(placements), size):
        yield placements[start : start + size]


def _halves(portion: Sequence[Placement]) -> Iterator[Sequence[Placement]]:
    """Cut by mailbox: the messages of one mailbox stay together and in order."""
    mailboxes = list(dict.fromkeys(each.mailbox for each in portion))
    first = set(mailboxes[: len(mailboxes) // 2])
    yield [each for each in portion if each.mailbox in first]
    yield [each for each in portion if each.mailbox not in first]
