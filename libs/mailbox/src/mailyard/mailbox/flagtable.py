"""The flags of all messages of a mailbox in arrays: 16 octets a message, where objects would cost 130."""

from array import array
from collections.abc import Iterator

from mailyard.mailbox.model import FlagState


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
        """Sort by UID. Of a message that was added twice the state with the higher modseq stays."""
        uids, modseqs = self.uids, self._modseqs
        if all(map(int.__lt__, uids, uids[1:])):
            return
        places = sorted(range(len(uids)), key=uids.__getitem__)
        kept: list[int] = []
        for place in places:
            if not kept or uids[kept[-1]] != uids[place]:
                kept.append(place)
            elif modseqs[place] >= modseqs[kept[-1]]:
                kept[-1] = place
        self.uids = array("I", map(uids.__getitem__, kept))
        self.numbers = array("I", map(self.numbers.__getitem__, kept))
        self._modseqs = array("Q", map(modseqs.__getitem__, kept))
