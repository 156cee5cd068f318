"""DNS blocklists and allowlists (RFC 5782): how they are set, asked, and added up. Pure.

An entry is `zone`, `zone=filter`, `zone*weight` or `zone=filter*weight`, as Postfix has it. A filter is an IPv4 address whose
parts may be sets: `127.0.0.[2..11;13]`. Without a filter, each answer in 127.0.0.0/8 counts. A negative weight makes an allowlist.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from mailyard.listening.address import parse_ip

MOST_LISTS = 20
_ENTRY = re.compile(
    r"(?P<zone>[a-z0-9_-]+(\.[a-z0-9_-]+)+)(=(?P<filter>[0-9.;\[\]]+))?(\*(?P<weight>-?[0-9]{1,3}))?",
    re.IGNORECASE,
)
_PART = re.compile(r"\[[0-9.;]+\]|[0-9]+")
_RANGE = re.compile(r"([0-9]{1,3})(?:\.\.([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class DnsList:
    """One entry. `parts`: for each octet of an answer the values that count; None: each answer in 127.0.0.0/8."""

    zone: str
    parts: tuple[frozenset[int], ...] | None = None
    weight: int = 1

    @classmethod
    def parse(cls, text: str) -> "DnsList":
        """Read an entry. Raises ValueError."""
        match = _ENTRY.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} is no DNS list: write zone, zone=127.0.0.2, zone=127.0.0.[2..11] or zone*weight"
            )
        weight = int(match["weight"] or 1)
        if weight == 0:
            raise ValueError(f"{text!r}: a weight is above or below zero")
        return cls(match["zone"].lower(), _parts(match["filter"]) if match["filter"] else None, weight)

    def matches(self, record: str) -> bool:
        """Say whether an answer is a hit. Answers in 127.255.255.0/24 are errors of the list, others are no answers of a list."""
        octets = _octets(record)
        if not octets or octets[0] != 127 or octets[:3] == (127, 255, 255):
            return False
        return self.parts is None or all(
            octet in part for octet, part in zip(octets, self.parts, strict=True)
        )


@lru_cache(maxsize=1024)
def _octets(record: str) -> tuple[int, ...]:
    address = parse_ip(record)
    return tuple(address.packed) if address is not None and address.version == 4 else ()


def is_error(record: str) -> bool:
    """Say whether an answer is no statement about the client: 127.255.255.x, or an address outside of 127.0.0.0/8."""
    octets = _octets(record)
    return not octets or octets[0] != 127 or octets[:3] == (127, 255, 255)


def _parts(text: str) -> tuple[frozenset[int], ...]:
    parts = tuple(_PART.findall(text))
    if len(parts) != 4 or ".".join(parts) != text:
        raise ValueError(f"{text!r} is no filter: write four parts such as 127.0.0.[2..11;13]")
    return tuple(_values(part) for part in parts)


def _values(part: str) -> frozenset[int]:
    values = set[int]()
    for each in part.strip("[]").split(";"):
        match = _RANGE.fullmatch(each)
        if match is None:
            raise ValueError(f"{part!r} is no set: write numbers and ranges such as [2..11;13]")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= 255:
            raise ValueError(f"{part!r} is no range from 0 to 255")
        values.update(range(first, last + 1))
    return frozenset(values)


@lru_cache(maxsize=4096)
def question_of(ip: str) -> str:
    """Return an address as it stands before the zone of a list (RFC 5782, sections 2.1 and 2.4); empty for other text."""
    if parse_ip(ip) is None:
        return ""
    reverse = ip_address(str(parse_ip(ip))).reverse_pointer
    return reverse.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


@dataclass(frozen=True, slots=True)
class Score:
    """The sum of the weights of all hits, and the zones of blocklists that had one."""

    total: int = 0
    listed_by: tuple[str, ...] = ()
    is_allowed: bool = False  # an allowlist had a hit, and no blocklist outweighs it


def score_of(lists: Sequence[DnsList], answers: Mapping[str, Iterable[str]]) -> Score:
    """Add up the weights; each entry counts once. `answers`: records by zone."""
    if not any(answers.values()):
        return _NOTHING
    hits = [each for each in lists if any(map(each.matches, answers.get(each.zone, ())))]
    if not hits:
        return _NOTHING
    total = sum(each.weight for each in hits)
    zones = tuple(dict.fromkeys(each.zone for each in hits if each.weight > 0))
    return Score(total, zones, is_allowed=total < 0)


_NOTHING = Score()
