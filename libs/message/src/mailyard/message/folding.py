"""Text as it is compared: canonically equivalent texts are equal, and case makes no difference.

For SEARCH and for filters: both sides of a comparison go through the same function. The time is linear: Python
orders combining marks in quadratic time, so runs of them are cut (Unicode UAX #15, section 13, stream-safe text).
"""

import re
import unicodedata
from functools import cache

_MOST_MARKS = 30
_JOINER = "\u034f"  # combining grapheme joiner: marks are not ordered across it
_LAST_MARK = 0x20000  # no combining mark has a higher number than this


def normalized(text: str) -> str:
    """The text in normalisation form C."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _long_runs().sub(_cut, text))


def folded(text: str) -> str:
    """The text in normalisation form C without case (Unicode, section 3.13, canonical caseless matching)."""
    if text.isascii():
        return text.lower()
    return normalized(normalized(text).casefold())


@cache
def _long_runs() -> re.Pattern[str]:
    marks = "".join(chr(number) for number in range(0x300, _LAST_MARK) if _begins_with_mark(chr(number)))
    return re.compile(f"[{re.escape(marks)}]{{{_MOST_MARKS},}}")


def _begins_with_mark(character: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFD", character)[0]) != 0


def _cut(run: re.Match[str]) -> str:
    marks = run[0]
    pieces = [marks[at : at + _MOST_MARKS] for at in range(0, len(marks), _MOST_MARKS)]
    return _JOINER.join(pieces)
