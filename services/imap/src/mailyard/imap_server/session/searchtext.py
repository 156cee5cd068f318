"""Text normalised for SEARCH: Unicode NFC, case folded, any white space as one space.

Decomposed text (macOS) and text of charsets with combining marks (Windows-1258) are equal to the composed form.
"""

import re
from collections.abc import Iterator
from unicodedata import combining

from mailyard.message import folding, headertext

_AT_A_TIME = 65_536  # characters
_MOST_MARKS = 100  # combining marks that a cut steps over
_SPACE = re.compile(r"\s+")


def folded(text: str) -> str:
    """Normalise text for comparison.

    A long text is folded piece by piece: memory stays small, and other threads get their turn in between.
    """
    parts: list[str] = []
    for before, piece in _pieces(text):
        words = " ".join(folding.folded(piece).split())
        if words:
            parts += (before, words) if parts else (words,)
    return "".join(parts)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Give pieces of the text, each with the space before it; cut at white space if there is any."""
    start, before = 0, ""
    while len(text) - start > 2 * _AT_A_TIME:
        end = start + _AT_A_TIME
        space = _SPACE.search(text, end, end + _AT_A_TIME)
        if space is not None:
            yield before, text[start : space.start()]
            start, before = space.end(), " "
            continue
        last = end + _MOST_MARKS
        while end < last and combining(text[end]):
            end += 1
        yield before, text[start:end]
        start, before = end, " " if text[end - 1].isspace() else ""
    yield before, text[start:]


def address_texts(value: bytes) -> Iterator[str]:
    """Give the addresses of a field as in ENVELOPE, where they may differ from the field (RFC 3501, section 6.4.4)."""
    return map(folded, headertext.address_texts(value))
