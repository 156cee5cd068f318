"""Compact flags of many messages: each different set of flags is stored once, as bits, and has a number.

Keywords that differ only in case are the same keyword (RFC 3501, section 9). The client is sent the spelling that comes
first. A mailbox has so many keywords at most; others are left out.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import TypeVar

from mailyard.imap.grammar.flags import encode_flags
from mailyard.imap.limits import ImapLimits
from mailyard.imap.wellknown import RECENT, SEEN, SYSTEM_FLAGS
from mailyard.mailbox.flagtable import bits_of

_MOST_SPELLINGS = 16  # of one keyword
_CACHED = 128
_CACHED_OCTETS = 1_048_576  # of sets as FETCH answers them
_MOST_KEYWORDS = ImapLimits().keywords
_SEEN_BIT = 1 << SYSTEM_FLAGS.index(SEEN)


K = TypeVar("K")
V = TypeVar("V")


class FlagSets:
    """The different sets of flags in a mailbox."""

    __slots__ = (
        "_bits",
        "_encoded",
        "_encoded_octets",
        "_known",
        "_masks",
        "_names",
        "_numbers",
        "_read",
        "_spellings",
        "left_out",
    )

    def __init__(self) -> None:
        self._names = list(SYSTEM_FLAGS)  # bit n of a mask stands for the n-th name
        self._bits = {name.lower(): 1 << index for index, name in enumerate(SYSTEM_FLAGS)}
        self._spellings: dict[str, set[str]] = {}  # by the spelling in lower case, where there are several
        self._masks: list[int] = []
        self._numbers: dict[int, int] = {}
        self._known: dict[frozenset[str], int] = {}  # caches from here on
        self._read: dict[int, frozenset[str]] = {}
        self._encoded: dict[tuple[int, bool], bytes] = {}
        self._encoded_octets = 0
        self.left_out = False  # whether there are more keywords than are kept

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def keywords(self) -> list[str]:
        """The keywords, each in one spelling."""
        return self._names[len(SYSTEM_FLAGS) :]

    def number(self, flags: frozenset[str]) -> int:
        """Return the number of a set; it is valid until the next `keep_only`."""
        number = self._known.get(flags)
        if number is None:
            number = self.number_of_mask(self.mask(flags))
            _remember(self._known, flags, number)
        return number

    def flags(self, number: int) -> frozenset[str]:
        """Return the set with this number."""
        flags = self._read.get(number)
        if flags is None:
            flags = frozenset(map(self._names.__getitem__, bits_of(self._masks[number])))
            _remember(self._read, number, flags)
        return flags

    def encoded(self, number: int, *, recent: bool) -> bytes:
        """Return the set encoded for FETCH responses."""
        octets = self._encoded.get((number, recent))
        if octets is None:
            flags = self.flags(number)
            octets = encode_flags(flags | {RECENT} if recent else flags)
            self._encoded_octets += len(octets)
            if self._encoded_octets > _CACHED_OCTETS:
                self._encoded.clear()
                self._encoded_octets = len(octets)
            self._encoded[number, recent] = octets
        return octets

    def bit(self, flag: str) -> int:
        """Return the bit of a flag in masks; 0 where no message has the flag."""
        return self._bits.get(flag.lower(), 0)

    def mask_of(self, number: int) -> int:
        """Return the set with this number as bits."""
        return self._masks[number]

    def keywords_in(self, numbers: Iterable[int]) -> frozenset[str]:
        """Return the keywords of these sets together."""
        mask = reduce(or_, map(self._masks.__getitem__, numbers), 0)
        return frozenset(self._names[index] for index in bits_of(mask) if index >= len(SYSTEM_FLAGS))

    def unseen(self) -> set[int]:
        r"""Return the numbers of the sets without \Seen."""
        return {number for number, mask in enumerate(self._masks) if not mask & _SEEN_BIT}

    def keep_only(self, numbers: Iterable[int]) -> dict[int, int]:
        """Drop all sets but these; return their new numbers."""
        masks = {number: self._masks[number] for number in numbers}
        self._masks.clear()
        for cache in (self._numbers, self._known, self._read, self._encoded):
            cache.clear()
        self._encoded_octets = 0
        return {number: self.number_of_mask(mask) for number, mask in masks.items()}

    # Spellings

    def sent_spelling(self, flag: str) -> str:
        """Return the flag in the spelling that the client knows; a new flag as it is."""
        bit = self._bits.get(flag.lower())
        return flag if bit is None else self._names[bit.bit_length() - 1]

    def all_spellings(self, flag: str) -> set[str]:
        """Return every spelling of the flag that messages have."""
        return {self.sent_spelling(flag), *self._spellings.get(flag.lower(), ())}

    def is_known(self, flag: str) -> bool:
        """Return whether the flag is in use, in any spelling."""
        return flag.lower() in self._bits

    def mask(self, flags: frozenset[str]) -> int:
        """Return a set as bits; new keywords get the next bits."""
        mask = 0
        for flag in sorted(flags):
            mask |= self._bit(flag)
        return mask

    def _bit(self, flag: str) -> int:
        folded = flag.lower()
        bit = self._bits.get(folded)
        if bit is None:
            if len(self._names) >= len(SYSTEM_FLAGS) + _MOST_KEYWORDS:
                self.left_out = True
                return 0
            bit = self._bits[folded] = 1 << len(self._names)
            self._names.append(flag)
        elif self._names[bit.bit_length() - 1] != flag:
            spellings = self._spellings.setdefault(folded, set())
            if len(spellings) < _MOST_SPELLINGS:
                spellings.add(flag)
        return bit

    def number_of_mask(self, mask: int) -> int:
        """Return the number of a set that is given as bits."""
        number = self._numbers.get(mask)
        if number is None:
            number = self._numbers[mask] = len(self._masks)
            self._masks.append(mask)
        return number


def _remember(cache: dict[K, V], key: K, value: V) -> None:
    if len(cache) >= _CACHED:
        cache.clear()
    cache[key] = value
