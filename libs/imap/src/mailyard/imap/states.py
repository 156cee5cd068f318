"""States of a session, and the transitions between them (RFC 3501, section 3)."""

from enum import Enum, auto


class SessionState(Enum):
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
    (SessionState.NOT_AUTHENTICATED, Transition.LOGGED_IN): SessionState.AUTHENTICATED,
    (SessionState.AUTHENTICATED, Transition.OPENED): SessionState.SELECTED,
    (SessionState.AUTHENTICATED, Transition.CLOSED): SessionState.AUTHENTICATED,
    (SessionState.SELECTED, Transition.OPENED): SessionState.SELECTED,
    (SessionState.SELECTED, Transition.CLOSED): SessionState.AUTHENTICATED,
    **{(state, Transition.ENDED): SessionState.LOGOUT for state in SessionState},
}

# Sets of states in which a command may be permitted (RFC 3501, section 6).
ANY_STATE = frozenset({SessionState.NOT_AUTHENTICATED, SessionState.AUTHENTICATED, SessionState.SELECTED})
BEFORE_LOGIN = frozenset({SessionState.NOT_AUTHENTICATED})
AFTER_LOGIN = frozenset({SessionState.AUTHENTICATED, SessionState.SELECTED})
MAILBOX_SELECTED = frozenset({SessionState.SELECTED})


class InvalidImapTransition(Exception):
    """The table has no such transition from this state."""


def after(state: SessionState, transition: Transition) -> SessionState:
    """Return the state after `transition`; raises InvalidImapTransition."""
    try:
        return TRANSITIONS[state, transition]
    except KeyError as error:
        raise InvalidImapTransition(f"{transition.name} in state {state.value}") from error
