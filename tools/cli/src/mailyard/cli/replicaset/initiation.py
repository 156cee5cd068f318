"""Initiate a replica set and its first user through localhost: a server without users accepts such a connection.

One server of a new set initiates it, the one that is named first; the one that becomes primary makes the user. So this
may run for every member at once, and again after each restart.

A server looks for itself in the set when it starts, by name. Where names come a moment after the address, as in
Kubernetes, it may find none: it is no member then, and in a set of one nobody makes it look again but a restart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from mailyard.runtime.endpoint import Endpoint

ROLE: Final = "root"  # the first user makes the others
_TIMEOUT_MS: Final = 3_000
_ALREADY_INITIALIZED: Final = 23
_NOT_A_MEMBER: Final = 93
_USER_EXISTS: Final = 51_003
_AUTHENTICATION_FAILED: Final = 18

Server = MongoClient[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The replica set that must exist."""

    name: str
    members: tuple[Endpoint, ...]
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Initiation:
    """The work at one server; `at` is its address on this machine, `own` the member that it is, if any."""

    wanted: Wanted
    at: Endpoint
    own: Endpoint | None

    def missing(self) -> str | None:
        """Do the next step; return what is still missing, or None when nothing is."""
        try:
            if self._user_can_log_in():
                return None
            with self._connect() as server:
                return self._next_step(server)
        except OperationFailure as error:
            return self._restart() if error.code == _NOT_A_MEMBER else self._refused(error)
        except PyMongoError as error:
            return self._refused(error)

    def _refused(self, error: PyMongoError) -> str:
        return f"MongoDB at {self.at}: {_brief(error)}"

    def _user_can_log_in(self) -> bool:
        """Return whether the user can log in. Users are replicated, so the set then has a primary that this member follows."""
        try:
            with self._log_in() as server:
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
            first = self.wanted.members[0]
            return self._initiate(server) if self.own in {None, first} else f"{first} initiates the set"
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

    def _restart(self) -> str:
        """End a server that is in the set and does not know it: its container is then started again."""
        try:
            with self._log_in() as server:
                config = server.admin.command("replSetGetConfig")["config"]
                hosts = [member["host"] for member in config["members"]]
                if str(self.own) not in hosts:
                    return f"MongoDB at {self.at} is no member of its set, which has {', '.join(hosts)}"
                server.admin.command("shutdown", force=True)
        except AutoReconnect:  # its answer to `shutdown`
            pass
        except PyMongoError as error:
            return self._refused(error)
        return f"MongoDB at {self.at} did not find itself as {self.own}: it is ended, to be started again"

    def _log_in(self) -> Server:
        return self._connect(username=self.wanted.user, password=self.wanted.password, authSource="admin")

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


def own_member(members: Sequence[Endpoint], host: str) -> Endpoint | None:
    """Return the member that the machine named `host` is; None for a person's, who may initiate from anywhere."""
    own = host.partition(".")[0]
    return next((member for member in members if member.host.partition(".")[0] == own), None)


def until_complete(
    initiation: Initiation,
    expired: Callable[[], bool],
    pause: Callable[[], object],
    say: Callable[[str], None],
) -> str | None:
    """Go on until nothing is missing; the last reason when time is over."""
    reported = None
    while (reason := initiation.missing()) is not None:
        if reason != reported:
            say(reason)
            reported = reason
        if expired():
            return reason
        pause()
    return None


def _brief(error: PyMongoError) -> str:
    text = str(error).partition(", full error")[0]
    return text.partition(", Topology Description")[0].partition(" (configured timeouts")[0]
