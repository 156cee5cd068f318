"""Store the messages of a batch in mailboxes, within the quotas of their accounts."""

from collections.abc import Sequence

from mailyard.delivery.mailboxcache import MailboxCache
from mailyard.directory.quotas import AccountQuotas
from mailyard.mailbox.bulkinsertion import InsertionResult, insert_in_batches
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import NewMessage
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store

_ROUNDS = 3


class MailboxWriter:
    """Looks up mailboxes and quotas, and inserts messages."""

    def __init__(self, store: Store, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._clock = clock
        self._cache = MailboxCache(Mailboxes(store, clock=clock))
        self._quotas = AccountQuotas(store)

    async def insert(self, messages: Sequence[tuple[str, NewMessage]]) -> InsertionResult:
        """Insert messages, each given with its kind of mailbox; a mailbox that was deleted or renamed is looked up again.

        Raises:
            Unavailable: the store is unreachable; what was inserted before is found again by its delivery keys.

        """
        quotas = await self._quotas.of({message.account for _, message in messages})
        result = InsertionResult()
        left = messages
        for _ in range(_ROUNDS):
            insertions = await self._cache.insertions(left)
            some = await insert_in_batches(self._store, insertions, quotas=quotas, clock=self._clock)
            result.add(some)
            if not some.gone:
                return result
            self._cache.forget(some.gone)
            left = [
                each
                for each, insertion in zip(left, insertions, strict=True)
                if insertion.mailbox in some.gone
            ]
        raise Unavailable("mailboxes are deleted as fast as they are created")
