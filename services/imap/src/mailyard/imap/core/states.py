"""The states of a session and what leads from one to another, as tables (RFC 3501, section 3)."""

from enum import Enum, auto

from mailyard.imap.core.commands.append import Append
from mailyard.imap.core.commands.authentication import Authenticate, Login
from mailyard.imap.core.commands.command import Command
from mailyard.imap.core.commands.fetch import Fetch
from mailyard.imap.core.commands.listing import List, Lsub
from mailyard.imap.core.commands.mailboxes import (
    Check,
    Close,
    Create,
    Delete,
    Examine,
    Namespace,
    Rename,
    Select,
    Status,
    Subscribe,
    Unselect,
    Unsubscribe,
)
from mailyard.imap.core.commands.search import Search
from mailyard.imap.core.commands.session import Capability, Id, Idle, Logout, Noop, StartTls
from mailyard.imap.core.commands.store import Store
from mailyard.imap.core.commands.transfer import Copy, Expunge, Move


class State(Enum):
    """Where a session stands."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


class Step(Enum):
    """What happens to a session."""

    LOGGED_IN = auto()
    OPENED = auto()  # SELECT or EXAMINE succeeded
    SHUT = auto()  # CLOSE, UNSELECT, a failed SELECT, or the mailbox is gone
    ENDED = auto()  # LOGOUT or BYE


TRANSITIONS = {
    (State.NOT_AUTHENTICATED, Step.LOGGED_IN): State.AUTHENTICATED,
    (State.AUTHENTICATED, Step.OPENED): State.SELECTED,
    (State.AUTHENTICATED, Step.SHUT): State.AUTHENTICATED,
    (State.SELECTED, Step.OPENED): State.SELECTED,
    (State.SELECTED, Step.SHUT): State.AUTHENTICATED,
    **{(state, Step.ENDED): State.LOGOUT for state in State},
}

_ANY = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
_NEW = frozenset({State.NOT_AUTHENTICATED})
_KNOWN = frozenset({State.AUTHENTICATED, State.SELECTED})
_SELECTED = frozenset({State.SELECTED})

PERMITTED: dict[type[Command], frozenset[State]] = {
    **dict.fromkeys((Capability, Noop, Logout, Id), _ANY),
    **dict.fromkeys((StartTls, Login, Authenticate), _NEW),
    **dict.fromkeys((Select, Examine, Create, Delete, Rename, Subscribe, Unsubscribe), _KNOWN),
    **dict.fromkeys((Status, Namespace, List, Lsub, Append, Idle), _KNOWN),
    **dict.fromkeys((Check, Close, Unselect, Fetch, Store, Search, Copy, Move, Expunge), _SELECTED),
}


class ImpossibleStep(Exception):
    """A step that the table does not have from here."""


def after(state: State, step: Step) -> State:
    """The state that `step` leads to."""
    try:
        return TRANSITIONS[state, step]
    except KeyError as error:
        raise ImpossibleStep(f"{step.name} in state {state.value}") from error
