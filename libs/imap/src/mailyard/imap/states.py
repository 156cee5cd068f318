"""States of a session, and the transitions between them (RFC 3501, section 3)."""

from enum import Enum, auto


class State(Enum):
    """State of a session."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


class Transition(Enum):
    """Event that changes the state of a session."""

    LOGGED_IN = auto()
    OPENED = auto()  # SELECT or EXAMINE succeeded
    CLOSED = auto()  # CLOSE, UNSELECT, a failed SELECT, or the mailbox was deleted
    ENDED = auto()  # LOGOUT or BYE


TRANSITIONS = {
    (State.NOT_AUTHENTICATED, Transition.LOGGED_IN): State.AUTHENTICATED,
    (State.AUTHENTICATED, Transition.OPENED): State.SELECTED,
    (State.AUTHENTICATED, Transition.CLOSED): State.AUTHENTICATED,
    (State.SELECTED, Transition.OPENED): State.SELECTED,
    (State.SELECTED, Transition.CLOSED): State.AUTHENTICATED,
    **{(state, Transition.ENDED): State.LOGOUT for state in State},
}

# Sets of states in which a command may be permitted (RFC 3501, section 6).
ANY_STATE = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
BEFORE_LOGIN = frozenset({State.NOT_AUTHENTICATED})
AFTER_LOGIN = frozenset({State.AUTHENTICATED, State.SELECTED})
MAILBOX_SELECTED = frozenset({State.SELECTED})


class InvalidTransition(Exception):
    """The table has no such transition from this state."""


def after(state: State, transition: Transition) -> State:
    """Return the state after `transition`; raises InvalidTransition."""
    try:
        return TRANSITIONS[state, transition]
    except KeyError as error:
        raise InvalidTransition(f"{transition.name} in state {state.value}") from error
