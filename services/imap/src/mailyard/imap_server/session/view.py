r"""The messages of the selected mailbox as the client knows them, and the changes that the client was not sent yet.

The sequence number of a message is its index plus one. `apply` takes changes from the store; the client's view changes only
with `take_updates`, which returns what must be sent. Arrays keep it small: eight octets for a message.
"""

import asyncio
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Self

from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap_server.session.flagsets import FlagSets
from mailyard.mailbox.flagtable import FlagTable
from mailyard.mailbox.model import Changes, FlagState

_SETS = 4_096  # different sets of flags before unused ones are dropped
_ADDED_AT_ONCE = 1_000  # messages between two turns of other sessions
_FEW_SETS = 500


@dataclass(frozen=True, slots=True)
class MailboxUpdates:
    """The changes to send, in this order."""

    expunged: tuple[
        int, ...
    ] = ()  # sequence numbers in descending order, so that each is right when it is read
    exists: int | None = None
    recent: int = 0  # sent with `exists`
    changed: tuple[int, ...] = ()  # indexes of messages with changed flags
    keywords: frozenset[str] | None = None  # all keywords, if there is a new one


class MessageView:
    """Messages by index: UIDs, flags, and which are recent."""

    def __init__(self, states: Iterable[FlagState]) -> None:
        self._uids = array("I")
        self._flag_numbers = array("I")
        self._sets = FlagSets()
        self._most_sets = _SETS
        for state in states:
            self._add(state)
        self._sent_keywords = len(self._sets.keywords)
        self._recent_starts = array("I")  # spans of UIDs, ascending, both ends included
        self._recent_ends = array("I")
        self._arrived: dict[int, int] = {}  # their flags as bits
        self._vanished: set[int] = set()
        self._changed: set[int] = set()

    @classmethod
    async def of(cls, table: FlagTable) -> Self:
        """Build the view of a mailbox; other sessions have their turn every thousand messages."""
        view = cls(())
        for count, state in enumerate(table, start=1):
            view._add(state)
            if count % _ADDED_AT_ONCE == 0:
                await asyncio.sleep(0)
        view._sent_keywords = len(view._sets.keywords)
        return view

    def __len__(self) -> int:
        return len(self._uids)

    @property
    def last_uid(self) -> int:
        """The highest UID that the client knows; 0 where there is none."""
        return self._uids[-1] if self._uids else 0

    @property
    def keywords(self) -> frozenset[str]:
        """The keywords in use."""
        return frozenset(self._sets.keywords)

    @property
    def keywords_left_out(self) -> bool:
        """Whether the mailbox has more keywords than are shown."""
        return self._sets.left_out

    def sent_spelling(self, flags: Iterable[str]) -> frozenset[str]:
        """Return these flags in the spellings that the client knows."""
        return frozenset(map(self._sets.sent_spelling, flags))

    def all_spellings(self, flags: Iterable[str]) -> frozenset[str]:
        """Return these flags in every spelling that messages have."""
        return frozenset(spelling for flag in flags for spelling in self._sets.all_spellings(flag))

    @property
    def has_few_flag_sets(self) -> bool:
        """Whether many messages have the same flags, as in most mailboxes."""
        return len(self._sets) <= _FEW_SETS

    def has_flag(self, index: int, flag: str) -> bool:
        """Return whether the message at this index has a flag, in any spelling."""
        return bool(self._sets.mask_of(self._flag_numbers[index]) & self._sets.bit(flag))

    def most_flags(self, indexes: Iterable[range], added: Iterable[str]) -> int:
        """Return how many flags any of these messages would have at most with these flags added."""
        new = self.new_keywords(added)
        mask = reduce(or_, map(self._sets.bit, added), 0)
        numbers = {number for span in indexes for number in self._flag_numbers[span.start : span.stop]}
        return new + max(((self._sets.mask_of(number) | mask).bit_count() for number in numbers), default=0)

    def keywords_of(self, indexes: Iterable[range]) -> frozenset[str]:
        """Return the keywords of these messages together."""
        numbers = {number for span in indexes for number in self._flag_numbers[span.start : span.stop]}
        return self._sets.keywords_in(numbers)

    def new_keywords(self, flags: Iterable[str]) -> int:
        """Return how many of these flags are keywords that no message has had."""
        return sum(not self._sets.is_known(flag) for flag in flags)

    # Reading

    def uid(self, index: int) -> int:
        """Return the UID of the message at this index."""
        return self._uids[index]

    def flags(self, index: int) -> frozenset[str]:
        r"""Return the flags of the message at this index, without \Recent."""
        return self._sets.flags(self._flag_numbers[index])

    def encoded_flags(self, index: int) -> bytes:
        r"""Return the flags encoded for FETCH, with \Recent."""
        return self._sets.encoded(self._flag_numbers[index], recent=self.is_recent(index))

    def is_recent(self, index: int) -> bool:
        """Return whether this session is the first that was notified of the message (RFC 3501, section 2.3.2)."""
        uid = self._uids[index]
        span = bisect_right(self._recent_starts, uid) - 1
        return span >= 0 and uid <= self._recent_ends[span]

    def recent_count(self) -> int:
        """Return how many messages are recent."""
        spans = zip(self._recent_starts, self._recent_ends, strict=True)
        return sum(len(self._uid_span(first, last)) for first, last in spans)

    def first_unseen(self) -> int | None:
        """Return the index of the first unseen message."""
        unseen = self._sets.unseen()
        numbers = enumerate(self._flag_numbers)
        return next((index for index, number in numbers if number in unseen), None)

    def index_of(self, uid: int) -> int | None:
        """Return the index of the message with this UID."""
        index = bisect_left(self._uids, uid)
        return index if index < len(self._uids) and self._uids[index] == uid else None

    def by_number(self, numbers: SequenceSet) -> list[range]:
        """Return the indexes of sequence numbers."""
        return [
            range(low - 1, min(high, len(self))) for low, high in numbers.spans(len(self)) if low <= len(self)
        ]

    def by_uid(self, uids: SequenceSet) -> list[range]:
        """Return the indexes of UIDs; UIDs that do not exist have none."""
        spans = (self._uid_span(low, high) for low, high in uids.spans(self.last_uid))
        return [indexes for indexes in spans if indexes]

    def have_vanished(self, uids: Iterable[int]) -> bool:
        """Return whether one of these messages was removed and the client was not sent EXPUNGE yet."""
        return bool(self._vanished) and not self._vanished.isdisjoint(uids)

    def uids(self, indexes: Iterable[int]) -> list[int]:
        """Return the UIDs at these indexes."""
        return [self._uids[index] for index in indexes]

    def _uid_span(self, low: int, high: int) -> range:
        return range(bisect_left(self._uids, low), bisect_right(self._uids, high))

    # Changes from the store

    def claim_recent(self, first: int, last: int) -> None:
        """Mark the messages with these UIDs as recent; the UIDs are above those of the calls before."""
        if first > last:
            return
        if self._recent_ends and self._recent_ends[-1] + 1 >= first:
            self._recent_ends[-1] = last
        else:
            self._recent_starts.append(first)
            self._recent_ends.append(last)

    def apply(self, changes: Changes) -> None:
        """Apply changes from the store; `take_updates` returns them for the client."""
        for state in changes.present:
            self._apply_state(state)
        for uid in changes.vanished:
            if self._arrived.pop(uid, None) is None and self.index_of(uid) is not None:
                self._vanished.add(uid)

    def _apply_state(self, state: FlagState) -> None:
        if state.uid > self.last_uid:
            self._arrived[state.uid] = self._sets.mask(state.flags)
            return
        index = self.index_of(state.uid)
        if index is None:
            return
        before = self._sets.mask_of(self._flag_numbers[index])
        self.set_flags(index, state.flags)
        if self._sets.mask_of(self._flag_numbers[index]) != before:
            self._changed.add(state.uid)

    def set_flags(self, index: int, flags: frozenset[str]) -> None:
        """Set flags that the client is sent, or knows, already."""
        self._flag_numbers[index] = self._number(flags)

    def mark_sent(self, indexes: Iterable[range]) -> None:
        """Note that the client was just sent the flags of these messages."""
        if self._changed:
            sent = (self._uids[span.start : span.stop] for span in indexes)
            self._changed.difference_update(*sent)

    # Updates for the client

    def take_updates(self, *, expunges: bool) -> MailboxUpdates:
        """Return the updates to send now; they count as sent."""
        expunged = self._expunge() if expunges and self._vanished else ()
        exists = self._arrive() if self._arrived else None
        changed = self._take_changed() if self._changed else ()
        return MailboxUpdates(
            expunged, exists, self.recent_count() if exists else 0, changed, self.take_new_keywords()
        )

    def take_new_keywords(self) -> frozenset[str] | None:
        """Return all keywords if there is a new one, else None; they count as sent."""
        keywords = self._sets.keywords
        if len(keywords) == self._sent_keywords:
            return None
        self._sent_keywords = len(keywords)
        return frozenset(keywords)

    def _expunge(self) -> tuple[int, ...]:
        indexes = sorted(
            (index for uid in self._vanished if (index := self.index_of(uid)) is not None), reverse=True
        )
        self._changed -= self._vanished
        self._vanished.clear()
        gone = set(indexes)
        self._uids = array("I", _without(self._uids, gone))
        self._flag_numbers = array("I", _without(self._flag_numbers, gone))
        return tuple(index + 1 for index in indexes)

    def _arrive(self) -> int:
        for uid in sorted(self._arrived):
            self._uids.append(uid)
            self._drop_unused_sets()
            self._flag_numbers.append(self._sets.number_of_mask(self._arrived[uid]))
        self._arrived.clear()
        return len(self)

    def _take_changed(self) -> tuple[int, ...]:
        indexes = (self.index_of(uid) for uid in sorted(self._changed))
        found = tuple(index for index in indexes if index is not None)
        self._changed.clear()
        return found

    def _add(self, state: FlagState) -> None:
        number = self._number(state.flags)  # may replace the array
        self._uids.append(state.uid)
        self._flag_numbers.append(number)

    def _number(self, flags: frozenset[str]) -> int:
        self._drop_unused_sets()
        return self._sets.number(flags)

    def _drop_unused_sets(self) -> None:
        """Drop sets of flags that no message has any more, when there are many sets."""
        if len(self._sets) >= self._most_sets:
            new_numbers = self._sets.keep_only(set(self._flag_numbers))
            self._flag_numbers = array("I", (new_numbers[number] for number in self._flag_numbers))
            self._most_sets = max(_SETS, 2 * len(self._sets))


def _without(values: Sequence[int], indexes: set[int]) -> Iterator[int]:
    return (value for index, value in enumerate(values) if index not in indexes)
