"""The flags of all messages of a mailbox in arrays: 16 octets a message, where objects would cost 130."""

from array import array
from collections.abc import Iterator, Sequence
from heapq import merge

from mailyard.mailbox.model import FlagState

_RUN = 20_000  # values that are sorted or compared in one step


class FlagTable:
    """UIDs in ascending order, each once, with modseqs and flags."""

    __slots__ = ("_modseqs", "_numbers", "_set_numbers", "flag_sets", "numbers", "uids")

    def __init__(self) -> None:
        self.uids = array("I")
        self.numbers = array("I")  # for each message the place of its flags in `flag_sets`
        self.flag_sets: list[frozenset[str]] = []
        self._modseqs = array("Q")
        self._set_numbers: dict[frozenset[str], int] = {}

    def __len__(self) -> int:
        return len(self.uids)

    def __iter__(self) -> Iterator[FlagState]:
        for uid, modseq, number in zip(self.uids, self._modseqs, self.numbers, strict=True):
            yield FlagState(uid, modseq, self.flag_sets[number])

    def add(self, uid: int, modseq: int, flags: frozenset[str]) -> None:
        """Add a message, in any order; `settle` must follow."""
        number = self._set_numbers.get(flags)
        if number is None:
            number = self._set_numbers[flags] = len(self.flag_sets)
            self.flag_sets.append(flags)
        self.uids.append(uid)
        self.numbers.append(number)
        self._modseqs.append(modseq)

    def settle(self) -> None:
        """Sort by UID. Of a message that was added twice the state with the higher modseq stays.

        No step keeps the interpreter for long, so this can run in a thread beside an event loop.
        """
        uids, numbers, modseqs = self.uids, self.numbers, self._modseqs
        if _ascends(uids):
            return
        self.uids, self.numbers, self._modseqs = array("I"), array("I"), array("Q")
        starts = range(0, len(uids), _RUN)
        runs = [sorted(range(start, min(start + _RUN, len(uids))), key=uids.__getitem__) for start in starts]
        for place in merge(*runs, key=uids.__getitem__):
            if self.uids and self.uids[-1] == uids[place]:
                if modseqs[place] < self._modseqs[-1]:
                    continue
                self.numbers[-1], self._modseqs[-1] = numbers[place], modseqs[place]
            else:
                self.uids.append(uids[place])
                self.numbers.append(numbers[place])
                self._modseqs.append(modseqs[place])


def _ascends(values: Sequence[int]) -> bool:
    for start in range(0, len(values), _RUN):
        some = values[start : start + _RUN + 1]
        if not all(map(int.__lt__, some, some[1:])):
            return False
    return True
