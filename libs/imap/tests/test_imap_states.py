"""States, their transitions, and the names that every mailbox store knows."""

import pytest

from mailyard.imap import states, wellknown
from mailyard.imap.states import InvalidImapTransition, SessionState, Transition, after


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ([Transition.LOGGED_IN], SessionState.AUTHENTICATED),
        ([Transition.LOGGED_IN, Transition.OPENED], SessionState.SELECTED),
        ([Transition.LOGGED_IN, Transition.OPENED, Transition.OPENED], SessionState.SELECTED),
        ([Transition.LOGGED_IN, Transition.OPENED, Transition.CLOSED], SessionState.AUTHENTICATED),
        ([Transition.LOGGED_IN, Transition.CLOSED], SessionState.AUTHENTICATED),
        ([Transition.ENDED], SessionState.LOGOUT),
        ([Transition.ENDED, Transition.ENDED], SessionState.LOGOUT),
    ],
)
def test_sessions_move_as_section_3_shows(path: list[Transition], end: SessionState) -> None:
    state = SessionState.NOT_AUTHENTICATED
    for transition in path:
        state = after(state, transition)
    assert state is end


@pytest.mark.parametrize(
    ("state", "transition"),
    [
        (SessionState.NOT_AUTHENTICATED, Transition.OPENED),
        (SessionState.NOT_AUTHENTICATED, Transition.CLOSED),
        (SessionState.AUTHENTICATED, Transition.LOGGED_IN),
        (SessionState.LOGOUT, Transition.LOGGED_IN),
        (SessionState.LOGOUT, Transition.OPENED),
    ],
)
def test_other_transitions_are_invalid(state: SessionState, transition: Transition) -> None:
    with pytest.raises(InvalidImapTransition, match=state.value):
        after(state, transition)


def test_no_command_is_permitted_after_logout() -> None:
    sets = (states.ANY_STATE, states.BEFORE_LOGIN, states.AFTER_LOGIN, states.MAILBOX_SELECTED)
    assert all(SessionState.LOGOUT not in each for each in sets)
    assert states.ANY_STATE == states.BEFORE_LOGIN | states.AFTER_LOGIN
    assert states.MAILBOX_SELECTED < states.AFTER_LOGIN


def test_system_flags_begin_with_a_backslash_and_recent_cannot_be_stored() -> None:
    assert len(wellknown.SYSTEM_FLAGS) == 5
    assert wellknown.RECENT not in wellknown.SYSTEM_FLAGS
    assert not any(map(wellknown.is_keyword, (*wellknown.SYSTEM_FLAGS, wellknown.RECENT)))
    assert wellknown.is_keyword("$Forwarded")
