"""The states of a connection as a table."""

import pytest

from mailyard.listening.states import FOLLOWING, ConnectionState, InvalidTransition, enter


def test_every_state_has_its_row_and_all_end_closed():
    assert set(FOLLOWING) == set(ConnectionState)
    reachable = {ConnectionState.NEW}.union(*FOLLOWING.values())
    assert reachable == set(ConnectionState)
    assert all(
        ConnectionState.CLOSED in following
        for state, following in FOLLOWING.items()
        if state is not ConnectionState.CLOSED
    )


@pytest.mark.parametrize(
    ("state", "following"),
    [
        (ConnectionState.NEW, ConnectionState.OPEN),  # nobody is served who was not counted
        (ConnectionState.CLOSING, ConnectionState.OPEN),
        (ConnectionState.REVOKED, ConnectionState.DRAINING),
        (ConnectionState.CLOSED, ConnectionState.CLOSED),
        (ConnectionState.OPEN, ConnectionState.OPEN),
    ],
)
def test_a_state_that_does_not_follow_is_refused(state, following):
    with pytest.raises(InvalidTransition, match=f"{following.name} does not follow {state.name}"):
        enter(state, following)
