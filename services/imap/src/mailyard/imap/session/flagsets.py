"""Flags of a hundred thousand messages in little room: each set of flags is kept once and named by a number."""

from mailyard.imap.core.flags import RECENT, SEEN, encode_flags


class FlagSets:
    """All the sets of flags that a mailbox has seen, with their wire form."""

    __slots__ = ("_encoded", "_numbers", "_sets", "keywords")

    def __init__(self) -> None:
        self._sets: list[frozenset[str]] = []
        self._numbers: dict[frozenset[str], int] = {}
        self._encoded: list[tuple[bytes, bytes]] = []  # without and with \Recent
        self.keywords: set[str] = set()

    def number(self, flags: frozenset[str]) -> int:
        """The number of a set, which is its own for ever."""
        number = self._numbers.get(flags)
        if number is None:
            number = self._numbers[flags] = len(self._sets)
            self._sets.append(flags)
            self._encoded.append((encode_flags(flags), encode_flags(flags | {RECENT})))
            self.keywords.update(flag for flag in flags if not flag.startswith("\\"))
        return number

    def flags(self, number: int) -> frozenset[str]:
        """The set of this number."""
        return self._sets[number]

    def encoded(self, number: int, *, recent: bool) -> bytes:
        """The set as FETCH answers it."""
        return self._encoded[number][recent]

    def unseen(self) -> set[int]:
        r"""The numbers of the sets without \Seen."""
        return {number for number, flags in enumerate(self._sets) if SEEN not in flags}
