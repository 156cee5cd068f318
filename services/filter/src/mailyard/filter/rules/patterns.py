"""Patterns of rules, and matching many of them at once: one pass of RE2 over a text, in linear time."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import re2

_MEMORY = 64 * 1024 * 1024  # for one set and the states that it meets
_SPACES = re.compile(r"(?:\\ )+|\s+")
_ALWAYS = ""  # matches every text: when it does not, the set has failed


class PatternError(ValueError):
    """A pattern cannot be used; the message says why."""


class Comparison(StrEnum):
    """How a pattern is compared; these are the keys in a file of rules."""

    CONTAINS = "contains"
    IS = "is"
    GLOB = "glob"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern.

    `loose_space`: a space in a literal or glob stands for any run of white space, since lines may break there.
    """

    comparison: Comparison
    text: str
    ignore_case: bool = True
    loose_space: bool = False

    @property
    def expression(self) -> str:
        """The pattern as an RE2 expression that is searched for."""
        flags = "(?i)" if self.ignore_case else ""
        match self.comparison:
            case Comparison.REGEX:
                return flags + self.text
            case Comparison.CONTAINS:
                return flags + self._literal(self.text)
            case Comparison.IS:
                return rf"{flags}\A{self._literal(self.text)}\z"
            case Comparison.GLOB:
                pieces = (
                    _WILDCARDS.get(piece) or self._literal(piece) for piece in re.split(r"([*?])", self.text)
                )
                return rf"{flags}\A(?s:{''.join(pieces)})\z"

    def _literal(self, text: str) -> str:
        if not self.loose_space:
            return str(re2.escape(text))
        return r"\s+".join(str(re2.escape(word)) for word in re.split(r"\s+", text))


_WILDCARDS = {"*": ".*", "?": "."}


def check_pattern(pattern: Pattern) -> None:
    """Refuse a pattern that RE2 does not take. Raises PatternError."""
    if not pattern.text:
        raise PatternError("an empty pattern matches everything")
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern.expression, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise PatternError(reason.decode() if isinstance(reason, bytes) else str(reason)) from None


class PatternSet:
    """Many patterns that are looked for in the same texts."""

    def __init__(self, patterns: Sequence[Pattern], *, octets: bool = False) -> None:
        """Compile the patterns; `octets`: texts are not UTF-8 but octets of any kind."""
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        if octets:
            options.encoding = re2.Options.Encoding.LATIN1
        self._options = options
        self._expressions = [_ALWAYS, *(pattern.expression for pattern in patterns)]
        self._set = re2.Set.SearchSet(options)
        for expression in self._expressions:
            self._set.Add(expression)
        self._set.Compile()

    def match(self, texts: Iterable[str | bytes]) -> frozenset[int]:
        """Numbers of the patterns that match one of the texts."""
        found: set[int] = set()
        for text in texts:
            octets = text.encode("utf-8", "replace") if isinstance(text, str) else text
            found.update(self._set.Match(octets) or self._match_one_by_one(octets))
        return frozenset(number - 1 for number in found if number)

    def _match_one_by_one(self, octets: bytes) -> list[int]:
        """The set ran out of memory; single expressions fall back to a slower engine that needs none."""
        numbered = enumerate(self._expressions)
        return [number for number, each in numbered if re2.search(each, octets, self._options)]
