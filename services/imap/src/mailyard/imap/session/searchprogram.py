"""The keys of a SEARCH as a program: a list of steps that is run for each message, without calling itself.

A test says yes, no, or None for "not known yet". AND and OR stop as soon as the outcome is certain, so expensive keys that
come last are rarely tried. Time for a message is linear in the number of keys, however they nest.
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import NamedTuple, TypeAlias, TypeVar

from mailyard.imap.core.searchkeys import And, Leaf, Not, Or, SearchKey, all_of

F = TypeVar("F")
Test: TypeAlias = Callable[[F], bool | None]

_NO, _UNKNOWN, _YES = 0, 1, 2
_VALUES = {False: _NO, None: _UNKNOWN, True: _YES}
_OUTCOMES = (False, None, True)


class _Do(Enum):
    """What a step does with the value that the last step has left."""

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


def program(keys: Iterable[SearchKey], test_of: Callable[[Leaf], Test[F]]) -> Test[F]:
    """Return the test for all of these keys together; `test_of` gives the test for a key that holds no others."""
    whole = all_of(tuple(keys))
    if not isinstance(whole, And | Or | Not):
        return test_of(whole)
    steps, leaves = _compiled(whole)
    tests = [test_of(leaf) for leaf in leaves]

    def run(facts: F) -> bool | None:
        value, kept, position = _YES, list[int](), 0
        while position < len(steps):
            do, operand = steps[position]
            position += 1
            if do is _Do.TEST:
                value = _VALUES[tests[operand](facts)]
            elif do is _Do.LEAVE_IF_NO:
                position = operand if value == _NO else position
            elif do is _Do.LEAVE_IF_YES:
                position = operand if value == _YES else position
            elif do is _Do.PUSH:
                kept.append(value)
            elif do is _Do.LOWER:
                value = min(value, kept.pop())
            elif do is _Do.RAISE:
                value = max(value, kept.pop())
            else:
                value = _YES - value
        return _OUTCOMES[value]

    return run


class _End(NamedTuple):
    """Stands behind the last key of an AND or OR: the steps that leave it early go on here."""

    leaving: list[int]


def _compiled(whole: SearchKey) -> tuple[list[_Step], list[Leaf]]:
    steps: list[_Step] = []
    numbers: dict[Leaf, int] = {}
    waiting: list[SearchKey | _Step | _End | tuple[_Do, _End]] = [whole]  # from the last to the first
    while waiting:
        match waiting.pop():
            case _Step() as step:
                steps.append(step)
            case _End(leaving):
                for position in leaving:
                    steps[position] = steps[position]._replace(operand=len(steps))
            case (_Do() as leave, _End() as end):
                end.leaving.append(len(steps))
                steps.append(_Step(leave))
            case Not(inner):
                waiting += (_Step(_Do.NEGATE), inner)
            case And(keys):
                waiting += reversed(_sequence(keys, _Do.LEAVE_IF_NO, _Do.LOWER))
            case Or(keys):
                waiting += reversed(_sequence(keys, _Do.LEAVE_IF_YES, _Do.RAISE))
            case leaf:
                steps.append(_Step(_Do.TEST, numbers.setdefault(leaf, len(numbers))))
    return steps, list(numbers)


def _sequence(
    keys: Iterable[SearchKey], leave: _Do, combine: _Do
) -> list[SearchKey | _Step | _End | tuple[_Do, _End]]:
    """Several keys, one after the other, with what joins them."""
    end = _End([])
    first, *others = keys
    parts: list[SearchKey | _Step | _End | tuple[_Do, _End]] = [first]
    for key in others:
        parts += ((leave, end), _Step(_Do.PUSH), key, _Step(combine))
    return [*parts, end]
