"""Mailbox patterns of LIST and LSUB (RFC 3501, section 6.3.8): "*" matches everything, "%" stops at a separator.

All ways through a pattern are followed at once, so that no pattern takes longer than its length times the name's.
"""

import re
from functools import lru_cache

_TOKEN = re.compile(r"[*%]+|[^*%]+")


def matches(pattern: str, name: str, separator: str) -> bool:
    """Whether `pattern` means `name`; INBOX is matched in any case (section 5.1)."""
    places = {0}
    for token in _tokens(pattern.upper() if name == "INBOX" else pattern):
        places = _after(token, places, name, separator)
        if not places:
            return False
    return len(name) in places


@lru_cache(maxsize=256)
def _tokens(pattern: str) -> tuple[str, ...]:
    """Literal text and wildcards; a run of wildcards is one: "*" if there is a "*" in it, else "%"."""
    return tuple(_wildcard(token) if token[0] in "*%" else token for token in _TOKEN.findall(pattern))


def _wildcard(run: str) -> str:
    return "*" if "*" in run else "%"


def _after(piece: str, places: set[int], name: str, separator: str) -> set[int]:
    """Where in `name` one may stand after `piece`, when one may have stood at `places` before it."""
    if piece == "*":
        return set(range(min(places), len(name) + 1))
    if piece == "%":
        return {end for place in places for end in range(place, _level_end(name, place, separator) + 1)}
    return {place + len(piece) for place in places if name.startswith(piece, place)}


def _level_end(name: str, place: int, separator: str) -> int:
    end = name.find(separator, place)
    return len(name) if end < 0 else end
