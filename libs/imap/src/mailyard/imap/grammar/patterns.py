"""Mailbox patterns of LIST and LSUB (RFC 3501, section 6.3.8): "*" matches everything, "%" stops at a separator.

All ways through a pattern are followed at once. The set of places in the name that a prefix of the pattern can lead to
is one integer, bit by bit: bit n stands for "n characters are matched". Each character of the pattern costs a few
operations on that integer, so the time is linear in the length of the pattern, whatever the pattern.
"""

import re

from mailyard.imap.wellknown import INBOX

_WILDCARDS = re.compile(r"[*%]{2,}")


def simplified(pattern: str) -> str:
    """The pattern with one wildcard in place of each run of them: what `matches` wants, made once for many names."""
    return _WILDCARDS.sub(_one_wildcard, pattern)


def matches(pattern: str, name: str, separator: str) -> bool:
    """Whether `pattern`, `simplified` where it is hostile, means `name`; INBOX is matched in any case (section 5.1)."""
    if name == INBOX:
        pattern = pattern.upper()
    everywhere = (1 << len(name) + 1) - 1
    characters = _places_of_characters(name)
    inside_level = (everywhere >> 1) & ~characters.get(separator, 0)
    places = 1
    for piece in pattern:
        if piece == "*":
            places = everywhere & -(places & -places)  # the lowest place and all above it
        elif piece == "%":
            places = _to_level_end(places, inside_level)
        else:
            places = (places & characters.get(piece, 0)) << 1
        if not places:
            return False
    return bool(places >> len(name))


def _one_wildcard(run: re.Match[str]) -> str:
    """Return the one wildcard that a run of wildcards means."""
    return "*" if "*" in run[0] else "%"


def _places_of_characters(name: str) -> dict[str, int]:
    """Return for each character the places before which it stands."""
    places: dict[str, int] = {}
    bit = 1
    for character in name:
        places[character] = places.get(character, 0) | bit
        bit <<= 1
    return places


def _to_level_end(places: int, inside_level: int) -> int:
    """Return `places` and all places that follow them up to the next separator.

    The sum carries from the lowest place of each level to the level's end; what it changes is what lies between.
    """
    return places | ((inside_level + (places & inside_level)) ^ inside_level)
