"""The flags of all messages of a mailbox in arrays: 16 octets a message, where objects would take 130.

Each set of flags is stored once, as bits, so a mailbox whose messages all have different keywords takes little memory too.
"""

from array import array
from collections.abc import Iterator, Sequence
from heapq import merge

from mailyard.mailbox.model import FlagState

MAX_NAMES = 4_096  # different flags that a table keeps; more of them are left out
_RUN = 20_000  # values that are sorted or compared in one step
_CACHED = 256  # sets of flags that are kept as sets as well


class FlagTable:
    """UIDs in ascending order, each once, with modseqs and flags."""

    __slots__ = (
        "_bits",
        "_known",
        "_masks",
        "_modseqs",
        "_numbers",
        "_numbers_of_masks",
        "_read",
        "names",
        "uids",
    )

    def __init__(self) -> None:
        self.uids = array("I")
        self.names: list[str] = []  # bit n of a mask is the n-th flag
        self._numbers = array("I")  # for each message the index of its flags in `_masks`
        self._masks: list[int] = []
        self._modseqs = array("Q")
        self._bits: dict[str, int] = {}
        self._numbers_of_masks: dict[int, int] = {}
        self._known: dict[frozenset[str], int] = {}  # caches
        self._read: dict[int, frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self.uids)

    def __iter__(self) -> Iterator[FlagState]:
        for uid, modseq, number in zip(self.uids, self._modseqs, self._numbers, strict=True):
            yield FlagState(uid, modseq, self._flags(number))

    def add(self, uid: int, modseq: int, flags: frozenset[str]) -> None:
        """Add a message, in any order; `settle` must follow."""
        number = self._known.get(flags)
        if number is None:
            number = self._number(flags)
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[flags] = number
        self.uids.append(uid)
        self._numbers.append(number)
        self._modseqs.append(modseq)

    def drop(self, uids: set[int]) -> None:
        """Remove messages."""
        if uids.isdisjoint(self.uids):
            return
        kept = [index for index, uid in enumerate(self.uids) if uid not in uids]
        self.uids = array("I", map(self.uids.__getitem__, kept))
        self._numbers = array("I", map(self._numbers.__getitem__, kept))
        self._modseqs = array("Q", map(self._modseqs.__getitem__, kept))

    def settle(self) -> None:
        """Sort by UID. Of a message that was added twice, the state with the higher modseq is kept.

        No step keeps the interpreter for long, so this can run in a thread beside an event loop.
        """
        uids, numbers, modseqs = self.uids, self._numbers, self._modseqs
        if _ascends(uids):
            return
        self.uids, self._numbers, self._modseqs = array("I"), array("I"), array("Q")
        starts = range(0, len(uids), _RUN)
        runs = [sorted(range(start, min(start + _RUN, len(uids))), key=uids.__getitem__) for start in starts]
        for index in merge(*runs, key=uids.__getitem__):
            if self.uids and self.uids[-1] == uids[index]:
                if modseqs[index] < self._modseqs[-1]:
                    continue
                self._numbers[-1], self._modseqs[-1] = numbers[index], modseqs[index]
            else:
                self.uids.append(uids[index])
                self._numbers.append(numbers[index])
                self._modseqs.append(modseqs[index])

    def _number(self, flags: frozenset[str]) -> int:
        mask = 0
        for flag in flags:
            bit = self._bits.get(flag)
            if bit is None:
                if len(self.names) >= MAX_NAMES:
                    continue
                bit = self._bits[flag] = 1 << len(self.names)
                self.names.append(flag)
            mask |= bit
        number = self._numbers_of_masks.get(mask)
        if number is None:
            number = self._numbers_of_masks[mask] = len(self._masks)
            self._masks.append(mask)
        return number

    def _flags(self, number: int) -> frozenset[str]:
        flags = self._read.get(number)
        if flags is None:
            flags = frozenset(map(self.names.__getitem__, bits_of(self._masks[number])))
            if len(self._read) >= _CACHED:
                self._read.clear()
            self._read[number] = flags
        return flags


def bits_of(mask: int) -> Iterator[int]:
    """Give the positions of the bits that are set, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _ascends(values: Sequence[int]) -> bool:
    for start in range(0, len(values), _RUN):
        some = values[start : start + _RUN + 1]
        if not all(map(int.__lt__, some, some[1:])):
            return False
    return True
