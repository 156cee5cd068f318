"""Initiates a replica set and its first user through localhost, where a server without users lets one in.

One server of a new set initiates it, the one that is named first; whichever becomes primary makes the user. So this
may run beside every member at once, and again after each restart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from mailyard.runtime.endpoint import Endpoint

ROLE: Final = "root"  # the first user makes the others
_TIMEOUT_MS: Final = 3_000
_ALREADY_INITIALIZED: Final = 23
_USER_EXISTS: Final = 51_003
_AUTHENTICATION_FAILED: Final = 18

Server = MongoClient[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What there shall be."""

    name: str
    members: tuple[Endpoint, ...]
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Initiation:
    """The work at one server; `at` is its address on this machine, `initiates` whether it is the first member."""

    wanted: Wanted
    at: Endpoint
    initiates: bool

    def missing(self) -> str | None:
        """Do the next step and say what is still missing, or None when all is there."""
        try:
            if self._user_can_log_in():
                return None
            with self._connect() as server:
                return self._next_step(server)
        except PyMongoError as error:
            return f"MongoDB at {self.at}: {_brief(error)}"

    def _user_can_log_in(self) -> bool:
        """Users are replicated: this also tells that the set has a primary that this member follows."""
        credentials = {"username": self.wanted.user, "password": self.wanted.password, "authSource": "admin"}
        try:
            with self._connect(**credentials) as server:
                state = server.admin.command("hello")
                server.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == _AUTHENTICATION_FAILED:
                return False
            raise
        return bool(state.get("isWritablePrimary") or state.get("secondary"))

    def _next_step(self, server: Server) -> str:
        state = server.admin.command("hello")
        if state.get("setName") not in (None, self.wanted.name):
            return f"MongoDB at {self.at} belongs to the set {state['setName']}, not to {self.wanted.name}"
        if "setName" not in state:
            return self._initiate(server) if self.initiates else f"{self.wanted.members[0]} initiates the set"
        if state.get("isWritablePrimary"):
            return self._create_user(server)
        return "the set elects a primary, which gets the user"

    def _initiate(self, server: Server) -> str:
        members = [{"_id": number, "host": str(host)} for number, host in enumerate(self.wanted.members)]
        try:
            server.admin.command("replSetInitiate", {"_id": self.wanted.name, "members": members})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                return f"the set cannot be initiated yet: {_brief(error)}"
        return f"the set {self.wanted.name} is initiated, it elects a primary"

    def _create_user(self, server: Server) -> str:
        try:
            server.admin.command(
                "createUser",
                self.wanted.user,
                pwd=self.wanted.password,
                roles=[{"role": ROLE, "db": "admin"}],
            )
        except OperationFailure as error:
            if error.code != _USER_EXISTS:
                return (
                    f"the user {self.wanted.user} cannot log in, and none can be made: {_brief(error)}. "
                    "If the set has users already, the password file must hold this one's password"
                )
        return f"the user {self.wanted.user} is made"

    def _connect(self, **credentials: Any) -> Server:
        return MongoClient(
            self.at.host,
            self.at.port,
            directConnection=True,
            serverSelectionTimeoutMS=_TIMEOUT_MS,
            connectTimeoutMS=_TIMEOUT_MS,
            appname="mailyard replica-set",
            **credentials,
        )


def is_first(members: Sequence[Endpoint], host: str) -> bool:
    """Tell whether the machine named `host` initiates: it is the first member, or none at all and so a person's."""
    own = host.partition(".")[0]
    names = [member.host.partition(".")[0] for member in members]
    return own == names[0] or own not in names


def until_complete(
    initiation: Initiation,
    expired: Callable[[], bool],
    pause: Callable[[], object],
    say: Callable[[str], None],
) -> str | None:
    """Go on until nothing is missing; the last reason when time is over."""
    told = None
    while (reason := initiation.missing()) is not None:
        if reason != told:
            say(reason)
            told = reason
        if expired():
            return reason
        pause()
    return None


def _brief(error: PyMongoError) -> str:
    text = str(error).partition(", full error")[0]
    return text.partition(", Topology Description")[0].partition(" (configured timeouts")[0]
