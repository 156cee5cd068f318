"""The limit of keywords in mailboxes that are the target of APPEND, COPY and MOVE.

Such a mailbox need not be selected. Its keywords are read from the index of its messages and cached for some minutes. A
keyword beyond the limit is left out and the message is kept: RFC 3501 says that flags SHOULD be set (section 6.3.11) and
preserved (section 6.4.7).
"""

from collections.abc import Awaitable, Callable, Collection

from bson import ObjectId

from mailyard.imap.limits import ImapLimits
from mailyard.imap.wellknown import is_keyword
from mailyard.mailbox.flagtable import FlagTable
from mailyard.mailbox.model import Mailbox

_MAILBOXES = 100  # in the cache
_SECONDS = 600.0


class MailboxKeywords:
    """Cache of the keywords of mailboxes, for all sessions of the process."""

    def __init__(
        self,
        flag_states: Callable[[Mailbox], Awaitable[FlagTable]],
        monotonic: Callable[[], float],
        most: int = ImapLimits().keywords,
    ) -> None:
        """Let a mailbox have `most` keywords; `flag_states` reads the flags of its messages."""
        self._flag_states = flag_states
        self._monotonic = monotonic
        self._most = most
        self._known: dict[ObjectId, tuple[float, set[str]]] = {}  # until when, and keywords in lower case

    async def accepted(
        self, mailbox: Mailbox, flags: frozenset[str], shown: Collection[str] | None = None
    ) -> frozenset[str]:
        """Return the flags that messages may bring into a mailbox: system flags, and keywords up to the limit.

        `shown`: the mailbox's keywords, where the session knows them. Raises Unavailable.
        """
        keywords = sorted(filter(is_keyword, flags))
        if not keywords:
            return flags
        known = await self._keywords(mailbox, shown)
        left_out: set[str] = set()
        for keyword in keywords:
            if keyword.lower() in known or len(known) < self._most:
                known.add(keyword.lower())
            else:
                left_out.add(keyword)
        return flags - left_out

    def note(self, mailbox: ObjectId, flags: Collection[str]) -> None:
        """Add keywords that STORE gave to messages of a mailbox."""
        if mailbox in self._known:
            self._known[mailbox][1].update(flag.lower() for flag in flags if is_keyword(flag))

    async def _keywords(self, mailbox: Mailbox, shown: Collection[str] | None) -> set[str]:
        until, known = self._known.get(mailbox.id, (0.0, set[str]()))
        if self._monotonic() < until:
            return known
        names = (await self._flag_states(mailbox)).names if shown is None else shown
        until, known = self._known.get(mailbox.id, (0.0, set[str]()))
        if self._monotonic() < until:  # another session has read them meanwhile
            return known
        known = {name.lower() for name in names if is_keyword(name)}
        self._known.pop(mailbox.id, None)
        self._known[mailbox.id] = self._monotonic() + _SECONDS, known
        if len(self._known) > _MAILBOXES:
            del self._known[next(iter(self._known))]
        return known
