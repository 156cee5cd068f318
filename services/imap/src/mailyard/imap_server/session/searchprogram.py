"""Search keys compiled to a program: tests that are run one after the other for each message, without recursion.

A test returns True, False, or None for "not known yet". Each step names the step that follows where its test holds and
where it does not, so AND and OR stop as soon as the outcome is certain. Time for a message is linear in the number of keys,
however they nest.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from mailyard.imap.grammar.searchkeys import And, Leaf, Not, Or, SearchKey, all_of

F = TypeVar("F")
Test: TypeAlias = Callable[[F], bool | None]

# Instead of a step: the program ends, or the step goes on that was compiled last.
_NO: Final = -1
_YES: Final = -2
_NEXT: Final = -3


class _Step(NamedTuple, Generic[F]):
    test: Test[F]
    if_yes: int
    if_no: int
    is_negated: bool  # whether an odd number of NOT contains the key


class _Part(NamedTuple):
    """A key that is not compiled yet, and the steps that follow it."""

    key: SearchKey
    if_yes: int
    if_no: int
    is_negated: bool


def program(keys: Iterable[SearchKey], test_of: Callable[[Leaf], Test[F]]) -> Test[F]:
    """Return the test for all of these keys together; `test_of` gives the test for a key that contains no others."""
    steps = _compiled(all_of(tuple(keys)), test_of)
    if len(steps) == 1 and not steps[0].is_negated:
        return steps[0].test

    return lambda facts: _run(steps, facts)


def _run(steps: Sequence[_Step[F]], facts: F) -> bool | None:
    """Return whether a message matches; None: not known yet.

    Tests whose outcome is not known yet count against the message at first. Where it does not match then, the steps from the
    first such test on are run again, with these tests in favour of the message.
    """
    position, first_unknown, in_favour = len(steps) - 1, _NO, False
    while True:
        while position >= 0:
            test, if_yes, if_no, is_negated = steps[position]
            outcome = test(facts)
            if outcome is None:
                first_unknown = position if first_unknown == _NO else first_unknown
                outcome = in_favour is not is_negated
            position = if_yes if outcome else if_no
        if position == _YES:
            return None if in_favour else True
        if in_favour or first_unknown == _NO:
            return False
        position, in_favour = first_unknown, True


def _compiled(whole: SearchKey, test_of: Callable[[Leaf], Test[F]]) -> list[_Step[F]]:
    """Return the steps from the last to the first: the steps that follow a key have their positions before it."""
    steps: list[_Step[F]] = []
    waiting = [_Part(whole, _YES, _NO, is_negated=False)]
    while waiting:
        key, if_yes, if_no, is_negated = waiting.pop()
        if_yes = len(steps) - 1 if if_yes == _NEXT else if_yes
        if_no = len(steps) - 1 if if_no == _NEXT else if_no
        match key:
            case Not(inner):
                waiting.append(_Part(inner, if_no, if_yes, not is_negated))
            case And(keys):
                *others, last = _in_order(keys)
                waiting += (_Part(each, _NEXT, if_no, is_negated) for each in others)
                waiting.append(_Part(last, if_yes, if_no, is_negated))
            case Or(keys):
                *others, last = _in_order(keys)
                waiting += (_Part(each, if_yes, _NEXT, is_negated) for each in others)
                waiting.append(_Part(last, if_yes, if_no, is_negated))
            case leaf:
                steps.append(_Step(test_of(leaf), if_yes, if_no, is_negated))
    return steps


def _in_order(keys: Iterable[SearchKey]) -> list[SearchKey]:
    """Return the keys that contain no others, or are NOT of one, each once; then the others."""
    simple: dict[SearchKey, None] = {}
    others: list[SearchKey] = []
    for key in keys:
        if isinstance(key.key if isinstance(key, Not) else key, And | Or | Not):
            others.append(key)
        else:
            simple[key] = None
    return [*simple, *others]
