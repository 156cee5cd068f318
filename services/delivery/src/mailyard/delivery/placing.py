"""Store the messages of a batch in mailboxes, within the quotas of their accounts."""

from collections.abc import Sequence

from mailyard.delivery.mailboxcache import MailboxCache
from mailyard.directory.quotas import AccountQuotas
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import NewMessage
from mailyard.mailbox.portions import Placing, place_many
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store

_ROUNDS = 3


class Placer:
    """Looks up mailboxes and quotas, and places messages."""

    def __init__(self, store: Store, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._clock = clock
        self._cache = MailboxCache(Mailboxes(store, clock=clock))
        self._quotas = AccountQuotas(store)

    async def place(self, messages: Sequence[tuple[str, NewMessage]]) -> Placing:
        """Place messages, each given with its kind of mailbox; a mailbox that was deleted or renamed is looked up again.

        Raises:
            Unavailable: the store is unreachable; what was placed before is found again by its delivery keys.

        """
        quotas = await self._quotas.of({message.account for _, message in messages})
        result = Placing()
        left = messages
        for _ in range(_ROUNDS):
            placements = await self._cache.placements(left)
            some = await place_many(self._store, placements, quotas=quotas, clock=self._clock)
            result.add(some)
            if not some.gone:
                return result
            self._cache.forget(some.gone)
            left = [
                each
                for each, placement in zip(left, placements, strict=True)
                if placement.mailbox in some.gone
            ]
        raise Unavailable("mailboxes are deleted as fast as they are created")
