"""Move along a table of states, as both cores do."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

State = TypeVar("State", bound=Enum)
Input = TypeVar("Input", bound=Enum)


class MisuseError(Exception):
    """The state does not allow what was asked for: a defect of the calling program, not of the peer."""


def next_state(table: Mapping[tuple[State, Input], State], state: State, moved_by: Input) -> State:
    """Return the state that follows. Raises MisuseError where the table has none."""
    following = table.get((state, moved_by))
    if following is None:
        raise MisuseError(f"{moved_by.name} in state {state.name}")
    return following
