"""Search keys compiled to a program: a list of steps that is run for each message, without recursion.

A test returns True, False, or None for "not known yet". AND and OR stop as soon as the outcome is certain. Time for a message is
linear in the number of keys, however they nest.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from mailyard.imap.grammar.searchkeys import And, Leaf, Not, Or, SearchKey, all_of

F = TypeVar("F")
Test: TypeAlias = Callable[[F], bool | None]

_NO, _UNKNOWN, _YES = 0, 1, 2
_VALUES = {False: _NO, None: _UNKNOWN, True: _YES}
_OUTCOMES = (False, None, True)


class _Do(Enum):
    """Operation of a step on the value of the step before."""

    TEST = auto()  # replace it with the outcome of a test
    NEGATE = auto()
    PUSH = auto()  # keep it, for a later LOWER or RAISE
    LOWER = auto()  # combine it with the value that was kept: AND
    RAISE = auto()  # the same: OR
    LEAVE_IF_NO = auto()  # the AND is decided: go on behind it
    LEAVE_IF_YES = auto()  # the OR is decided: go on behind it


class _Step(NamedTuple):
    do: _Do
    operand: int = 0  # the number of a test, or of the step to go on with


class _End(NamedTuple):
    """End of an AND or OR: the steps that leave it early go on here."""

    leaving: list[int]


class _Leave(NamedTuple):
    """A step that leaves an AND or OR early."""

    do: _Do
    end: _End


class _Plain(NamedTuple):
    """Keys of one AND or OR that contain no others, or NOT of one: they become one test."""

    keys: Sequence[Leaf | Not]
    decisive: bool  # the outcome that makes the others needless


_Part: TypeAlias = SearchKey | _Step | _End | _Leave | _Plain


def program(keys: Iterable[SearchKey], test_of: Callable[[Leaf], Test[F]]) -> Test[F]:
    """Return the test for all of these keys together; `test_of` gives the test for a key that contains no others."""
    compiler = _Compiler(test_of)
    compiler.compile(all_of(tuple(keys)))
    steps, tests = compiler.steps, compiler.tests
    return tests[0] if len(steps) == 1 else lambda facts: _run(steps, tests, facts)


def _run(steps: Sequence[_Step], tests: Sequence[Test[F]], facts: F) -> bool | None:
    value, kept, position = _YES, list[int](), 0
    while position < len(steps):
        do, operand = steps[position]
        position += 1
        match do:
            case _Do.TEST:
                value = _VALUES[tests[operand](facts)]
            case _Do.LEAVE_IF_NO:
                position = operand if value == _NO else position
            case _Do.LEAVE_IF_YES:
                position = operand if value == _YES else position
            case _Do.PUSH:
                kept.append(value)
            case _Do.LOWER:
                value = min(value, kept.pop())
            case _Do.RAISE:
                value = max(value, kept.pop())
            case _Do.NEGATE:
                value = _YES - value
    return _OUTCOMES[value]


class _Compiler(Generic[F]):
    """Compiler from keys to steps, without recursion."""

    def __init__(self, test_of: Callable[[Leaf], Test[F]]) -> None:
        self.steps: list[_Step] = []
        self.tests: list[Test[F]] = []
        self._test_of = test_of

    def compile(self, whole: SearchKey) -> None:
        """Append the steps for `whole`."""
        waiting: list[_Part] = [whole]  # from the last to the first
        while waiting:
            match waiting.pop():
                case _Step() as step:
                    self.steps.append(step)
                case _Leave(do, end):
                    end.leaving.append(len(self.steps))
                    self.steps.append(_Step(do))
                case _End(leaving):
                    for position in leaving:
                        self.steps[position] = self.steps[position]._replace(operand=len(self.steps))
                case _Plain(keys, decisive):
                    self._test(_several([self._plain_test(key) for key in keys], decisive=decisive))
                case Not(inner):
                    waiting += (_Step(_Do.NEGATE), inner)
                case And(keys):
                    waiting += reversed(_sequence(keys, _Do.LEAVE_IF_NO, _Do.LOWER))
                case Or(keys):
                    waiting += reversed(_sequence(keys, _Do.LEAVE_IF_YES, _Do.RAISE))
                case leaf:
                    self._test(self._test_of(leaf))

    def _plain_test(self, key: Leaf | Not) -> Test[F]:
        if not isinstance(key, Not):
            return self._test_of(key)
        assert not isinstance(key.key, And | Or | Not)  # `_sequence` has seen to it
        return _opposite(self._test_of(key.key))

    def _test(self, test: Test[F]) -> None:
        self.steps.append(_Step(_Do.TEST, len(self.tests)))
        self.tests.append(test)


def _sequence(keys: Iterable[SearchKey], leave: _Do, combine: _Do) -> list[_Part]:
    """Return several keys with the steps that join them; keys that contain no others come first, each once."""
    plain: dict[Leaf | Not, None] = {}
    several: list[_Part] = []
    for key in keys:
        if isinstance(key.key if isinstance(key, Not) else key, And | Or | Not):
            several.append(key)
        elif not isinstance(key, And | Or):
            plain[key] = None
    if plain:
        several.insert(0, _Plain(tuple(plain), leave is _Do.LEAVE_IF_YES))
    end = _End([])
    parts = several[:1]
    for part in several[1:]:
        parts += (_Leave(leave, end), _Step(_Do.PUSH), part, _Step(combine))
    return [*parts, end]


def _opposite(test: Test[F]) -> Test[F]:
    def opposite(facts: F) -> bool | None:
        outcome = test(facts)
        return None if outcome is None else not outcome

    return opposite


def _several(tests: Sequence[Test[F]], *, decisive: bool) -> Test[F]:
    """Return one test for several: AND, where False decides, or OR, where True decides."""

    def test(facts: F) -> bool | None:
        unknown = False
        for each in tests:
            outcome = each(facts)
            if outcome is decisive:
                return decisive
            unknown |= outcome is None
        return None if unknown else not decisive

    return test
