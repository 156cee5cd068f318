"""Insert many messages in several transactions, so that one busy or full mailbox never delays the others."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bson import ObjectId

from mailyard.mailbox.insertion import InsertedMessage, Insertion, MailboxGone, insert_messages
from mailyard.mailbox.quota import NO_QUOTAS, OverQuota, Quotas
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.store.client import Store
from mailyard.store.transaction import Contended

MAX_INSERTIONS = 100  # of one transaction
_TRIES = 4  # tries of a transaction before it is cut in two
_TRIES_ALONE = 30  # tries of a transaction for one mailbox before its messages are busy
_SPLIT = counter("mailyard_mailbox_transactions_split_total")


@dataclass(slots=True)
class InsertionResult:
    """Result of many insertions. A message that is in none of the fields was in its mailbox before."""

    inserted: dict[str, InsertedMessage] = field(default_factory=dict)
    over_quota: set[str] = field(default_factory=set)  # message ids
    busy: set[str] = field(default_factory=set)  # message ids: other writers were first at each try
    gone: set[ObjectId] = field(default_factory=set)  # mailboxes that do not exist any more

    def add(self, other: "InsertionResult") -> None:
        """Add the result of other insertions, `gone` excepted: the caller repeats the insertions into those mailboxes."""
        self.inserted |= other.inserted
        self.over_quota |= other.over_quota
        self.busy |= other.busy


async def insert_in_batches(
    store: Store,
    insertions: Sequence[Insertion],
    *,
    quotas: Quotas = NO_QUOTAS,
    clock: Clock = now_utc,
) -> InsertionResult:
    """Insert messages in transactions of at most `MAX_INSERTIONS`.

    A batch that other writers keep from committing is tried again after the other batches, cut in two, down to one mailbox.
    In the end the messages of that mailbox are reported as busy. Messages of full accounts and of mailboxes that do not
    exist any more are left out, and the rest of their batch is inserted.

    Raises:
        Unavailable: the store is unreachable. Repeat the call: messages that were inserted are found by their ids.

    """
    result = InsertionResult()
    waiting = deque(_cut(insertions, MAX_INSERTIONS))
    while waiting:
        batch = waiting.popleft()
        mailboxes = {each.mailbox for each in batch}
        tries = _TRIES_ALONE if len(mailboxes) == 1 else _TRIES
        try:
            result.inserted |= await insert_messages(
                store, batch, quotas=quotas, clock=clock, max_tries=tries
            )
        except OverQuota as error:
            result.over_quota |= error.messages
            waiting.appendleft([each for each in batch if each.message.id not in error.messages])
        except MailboxGone as error:
            result.gone |= error.mailboxes
            waiting.appendleft([each for each in batch if each.mailbox not in error.mailboxes])
        except Contended:
            _SPLIT.inc()
            if len(mailboxes) == 1:
                result.busy |= {each.message.id for each in batch}
            else:
                waiting.extend(_halves(batch))
    return result


def _cut(insertions: Sequence[Insertion], size: int) -> Iterator[Sequence[Insertion]]:
    for start in range(0, len(insertions), size):
        yield insertions[start : start + size]


def _halves(batch: Sequence[Insertion]) -> Iterator[Sequence[Insertion]]:
    """Cut by mailbox: the messages of one mailbox stay together and in order."""
    mailboxes = list(dict.fromkeys(each.mailbox for each in batch))
    first = set(mailboxes[: len(mailboxes) // 2])
    yield [each for each in batch if each.mailbox in first]
    yield [each for each in batch if each.mailbox not in first]
