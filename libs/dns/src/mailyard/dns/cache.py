"""A cache of answers, bounded in entries and in octets. The least recently used entry goes first. Pure."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.dns.answer import DnsAnswer, DnsFailure

Entry = DnsAnswer[str] | DnsFailure
Key = tuple[str, str]  # name and type

_ENTRY_OCTETS = 400  # of the objects around the texts
_TEXT_OCTETS = 57  # of a str beside its characters


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """Bounds of all entries together, and of one of them. A large answer of a stranger is not kept at all."""

    entries: int = 20_000
    octets: int = 32 * 1024 * 1024
    answer_octets: int = 16 * 1024


class AnswerCache:
    """Answers until their time to live is over, failures as well."""

    def __init__(self, limits: AnswerLimits) -> None:
        self._limits = limits
        self._entries: OrderedDict[Key, tuple[float, int, Entry]] = OrderedDict()
        self._octets = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def octets(self) -> int:
        """Estimate of the memory that all entries take."""
        return self._octets

    def get(self, key: Key, now: float) -> Entry | None:
        """Return an entry, None when there is none or its time is over."""
        found = self._entries.get(key)
        if found is None:
            return None
        until, _, entry = found
        if until <= now:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: Key, entry: Entry, until: float) -> None:
        """Keep an entry until then, unless it is too large."""
        self._drop(key)
        octets = _octets_of(key, entry.records if isinstance(entry, DnsAnswer) else ())
        if octets > self._limits.answer_octets:
            return
        self._entries[key] = (until, octets, entry)
        self._octets += octets
        while len(self._entries) > self._limits.entries or self._octets > self._limits.octets:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._octets -= found[1]


def _octets_of(key: Key, records: Sequence[str]) -> int:
    return _ENTRY_OCTETS + sum(_TEXT_OCTETS + len(text) for text in (*key, *records))
