"""Patterns of rules, and matching many of them at once: one pass of RE2 over a text, in linear time."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import re2

from mailyard.message.folding import folded, normalized

_MEMORY = 64 * 1024 * 1024  # for one set and the states that it meets
_SLOW_OCTETS = 32 * 1024 * 1024  # times patterns: about a second of RE2's slowest engine
_ALWAYS = ""  # matches every text: when it does not, the set has failed


class PatternError(ValueError):
    """A pattern cannot be used; the message says why."""


class Comparison(StrEnum):
    """The comparison of a pattern; the values are keys in a file of rules."""

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
    def is_folded(self) -> bool:
        """Whether text and pattern are folded before the comparison; RE2 folds expressions itself, less completely."""
        return self.ignore_case and self.comparison in (Comparison.CONTAINS, Comparison.IS)

    def expression(self, *, octets: bool = False) -> str:
        """The pattern as an RE2 expression, to be searched in folded or normalised text, or in octets."""
        folds = self.is_folded and not octets
        flags = "(?i)" if self.ignore_case and not folds else ""
        text = self.text if octets else folded(self.text) if folds else normalized(self.text)
        match self.comparison:
            case Comparison.REGEX:
                return flags + text
            case Comparison.CONTAINS:
                return flags + self._literal(text)
            case Comparison.IS:
                return rf"{flags}\A{self._literal(text)}\z"
            case Comparison.GLOB:
                pieces = (
                    _WILDCARDS.get(piece) or self._literal(piece) for piece in re.split(r"([*?])", text)
                )
                return rf"{flags}\A(?s:{''.join(pieces)})\z"

    def _literal(self, text: str) -> str:
        if not self.loose_space:
            return str(re2.escape(text))
        return r"[\s\p{Z}]+".join(str(re2.escape(word)) for word in re.split(r"\s+", text))


_WILDCARDS = {"*": ".*", "?": "."}


def check_pattern(pattern: Pattern) -> None:
    """Refuse a pattern that RE2 does not take. Raises PatternError."""
    if not pattern.text:
        raise PatternError("an empty pattern matches everything")
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern.expression(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise PatternError(reason.decode() if isinstance(reason, bytes) else str(reason)) from None


@dataclass(frozen=True, slots=True)
class Matches:
    """Numbers of the patterns that match; not `complete`: the texts were too long for what the patterns cost."""

    numbers: frozenset[int]
    complete: bool = True


class PatternSet:
    """Many patterns that are looked for in the same texts: canonically equivalent texts are equal."""

    def __init__(self, patterns: Sequence[Pattern], *, octets: bool = False) -> None:
        """Compile the patterns; `octets`: texts are not UTF-8 but octets of any kind.

        Raises:
            PatternError: the patterns together need more memory than there is for them.

        """
        by_form: dict[bool, list[tuple[int, Pattern]]] = {True: [], False: []}
        for number, pattern in enumerate(patterns):
            by_form[pattern.is_folded and not octets].append((number, pattern))
        self._folded, self._plain = (_OnePass(by_form[form], octets=octets) for form in (True, False))

    def match(self, texts: Iterable[str | bytes]) -> Matches:
        """Find the patterns that match one of the texts."""
        budget = _Budget(_SLOW_OCTETS)
        found: set[int] = set()
        for text in texts:
            for each, form in ((self._plain, normalized), (self._folded, folded)):
                if each:
                    octets = text if isinstance(text, bytes) else form(text).encode("utf-8", "replace")
                    found |= each.match(octets, budget)
        return Matches(frozenset(found), not budget.exceeded)


@dataclass(slots=True)
class _Budget:
    """Octets, times patterns, that may still be searched slowly."""

    left: int
    exceeded: bool = False

    def octets(self, patterns: int, size: int) -> int:
        """Return how many of `size` octets can be searched for each of the patterns."""
        allowed = min(size, self.left // patterns)
        self.exceeded |= allowed < size
        self.left -= allowed * patterns
        return allowed


class _OnePass:
    """Patterns that are looked for in one pass over one form of a text."""

    def __init__(self, numbered: Sequence[tuple[int, Pattern]], *, octets: bool) -> None:
        self._options = re2.Options()
        self._options.log_errors = False
        self._options.max_mem = _MEMORY
        if octets:
            self._options.encoding = re2.Options.Encoding.LATIN1
        self._numbers = [number for number, _ in numbered]
        self._expressions = [pattern.expression(octets=octets) for _, pattern in numbered]
        self._set = re2.Set.SearchSet(self._options)
        for expression in (_ALWAYS, *self._expressions):
            self._set.Add(expression)
        if not self._compiles():
            raise PatternError(
                f"{len(numbered)} patterns need more than {_MEMORY // 2**20} MiB together: write fewer or shorter ones"
            )

    def _compiles(self) -> bool:
        try:
            self._set.Compile()
        except re2.error:
            return False
        return bool(self._set.Match(b""))

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def match(self, octets: bytes, budget: _Budget) -> set[int]:
        found = self._set.Match(octets)
        if found:
            return {self._numbers[place - 1] for place in found if place}
        return self._match_one_by_one(octets[: budget.octets(len(self._numbers), len(octets))])

    def _match_one_by_one(self, octets: bytes) -> set[int]:
        """Search expression by expression after the set ran out of memory: a slower engine of RE2 needs none."""
        numbered = zip(self._numbers, self._expressions, strict=True)
        return {number for number, each in numbered if re2.search(each, octets, self._options)}
