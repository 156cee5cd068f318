"""Mailbox patterns of LIST and LSUB (RFC 3501, section 6.3.8): "*" matches everything, "%" stops at a separator.

All matches of a prefix of the pattern are followed at once. The positions in the name that such a prefix can reach are the
bits of one integer: bit n stands for "n characters are matched". Each character of the pattern costs a few operations on
that integer, so the time is linear in the length of the pattern, whatever the pattern.
"""

import re

from mailyard.imap.wellknown import INBOX

_WILDCARDS = re.compile(r"[*%]{2,}")


def simplified(pattern: str) -> str:
    """Return the pattern with one wildcard for each run of wildcards. `matches` needs this; do it once for many names."""
    return _WILDCARDS.sub(lambda run: "*" if "*" in run[0] else "%", pattern)


def matches(pattern: str, name: str, separator: str) -> bool:
    """Return whether a `simplified` pattern matches `name`; INBOX is matched in any case (section 5.1)."""
    if name == INBOX:
        pattern = pattern.upper()
    everywhere = (1 << len(name) + 1) - 1
    characters = _positions_of_characters(name)
    inside_level = (everywhere >> 1) & ~characters.get(separator, 0)
    positions = 1
    for piece in pattern:
        if piece == "*":
            positions = everywhere & -(positions & -positions)  # the lowest position and all above it
        elif piece == "%":
            positions = _to_level_end(positions, inside_level)
        else:
            positions = (positions & characters.get(piece, 0)) << 1
        if not positions:
            return False
    return bool(positions >> len(name))


def _positions_of_characters(name: str) -> dict[str, int]:
    """Return for each character the positions before it."""
    positions: dict[str, int] = {}
    bit = 1
    for character in name:
        positions[character] = positions.get(character, 0) | bit
        bit <<= 1
    return positions


def _to_level_end(positions: int, inside_level: int) -> int:
    """Return `positions` and all positions behind them up to the next separator.

    The sum carries from the lowest position of each level to the end of the level, and so changes the bits between them.
    """
    return positions | ((inside_level + (positions & inside_level)) ^ inside_level)
