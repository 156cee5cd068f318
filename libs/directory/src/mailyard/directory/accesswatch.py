"""Ends remembered logins and open sessions when access is withdrawn.

Every process that authenticates users polls the access log every two seconds with one query by primary key, which costs by
what changed and not by how many sessions are open. While MongoDB is unreachable nothing changes: sessions go on, and
new logins fail because they cannot be checked.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mailyard.directory.accesslog import AccessChange, AccessLog, Action, Scope, Subject
from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.directory.identity import Identity
from mailyard.runtime.clock import now_utc
from mailyard.runtime.logs import get_logger
from mailyard.store.client import Store

POLL_SECONDS = 2.0
_CHANGES_OF_A_POLL = 1_000
_SESSIONS_AT_A_TIME = 100
_KEPT_SECONDS = 900.0  # longer than a login is remembered or may wait for its hash
_KEPT_CHANGES = 100_000
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class OpenSession:
    """An authenticated session; `end` is called when the login no longer counts."""

    identity: Identity
    end: Callable[[], None]


class AccessWatch:
    """Recent withdrawals of access, and the open sessions of this process."""

    def __init__(
        self, store: Store, forget: Callable[[], None] | None = None, *, clock: Monotonic = time.monotonic
    ) -> None:
        """Call `forget` when cached addresses or policies may be out of date; `clock` gives seconds and never goes back."""
        self._changes = AccessLog(store)
        self._forget = forget
        self._seen = 0
        self._policies = 0  # changes of policies that were seen
        self._caught_up = False  # changes of the last week have been taken
        self._latest: TtlCache[Subject, int] = TtlCache(_KEPT_CHANGES, clock)
        self._sessions: dict[Subject, set[OpenSession]] = defaultdict(set)
        self._expiring: set[OpenSession] = set()  # of app passwords that expire

    @property
    def revision(self) -> int:
        """Return the last change that was seen; a row that is read from the store now is at least as new."""
        return self._seen

    def has_ended(self, identity: Identity) -> bool:
        """Return whether access was withdrawn since the password was checked."""
        return any(identity.revision < (self._latest.get(each) or 0) for each in _subjects_of(identity))

    def open(self, identity: Identity, end: Callable[[], None]) -> OpenSession:
        """Note a session; `close` it when it is over. A login that no longer counts is ended soon after."""
        session = OpenSession(identity, end)
        for subject in _subjects_of(identity):
            self._sessions[subject].add(session)
        if identity.proof.until is not None:
            self._expiring.add(session)
        if self.has_ended(identity):
            asyncio.get_running_loop().call_soon(end)
        return session

    def close(self, session: OpenSession) -> None:
        """Forget a session."""
        self._expiring.discard(session)
        for subject in _subjects_of(session.identity):
            sessions = self._sessions.get(subject, set())
            sessions.discard(session)
            if not sessions:
                self._sessions.pop(subject, None)

    async def poll(self) -> bool:
        """Read new changes and apply them; return whether there may be more. Raises Unavailable."""
        self._end_expired(now_utc())
        news = await self._changes.entry_since(self._seen, _CHANGES_OF_A_POLL)
        changes = news.changes
        policies = self._policies if news.policies is None else news.policies
        access = any(_changes_addresses(change) for change in changes)
        if self._forget is not None and (access or policies != self._policies):
            self._forget()
        self._policies = policies
        for change in changes:
            self._latest.put(change.subject, change.revision, _KEPT_SECONDS)
            self._seen = change.revision
        for change in changes:
            await self._end_sessions(change)
        more = len(changes) == _CHANGES_OF_A_POLL
        self._caught_up = self._caught_up or not more
        return more

    def _end_expired(self, now: datetime) -> None:
        """End the sessions of app passwords that have expired."""
        for session in [each for each in self._expiring if _is_over(each.identity.proof.until, now)]:
            self.close(session)
            session.end()

    async def _end_sessions(self, change: AccessChange) -> None:
        """End them in portions: other clients are served in between."""
        subject = change.subject
        lost = [each for each in self._sessions.get(subject, ()) if each.identity.revision < change.revision]
        for number, session in enumerate(lost, 1):
            self.close(session)
            session.end()
            if number % _SESSIONS_AT_A_TIME == 0:
                await asyncio.sleep(0)
        if not lost and not self._caught_up:  # made before this process started
            return
        _log.info(
            "access.ended",
            scope=subject.scope.value,
            subject=subject.name,
            tenant=subject.tenant,
            action=change.action.value,
            revision=change.revision,
            sessions=len(lost),
        )


def _is_over(until: datetime | None, now: datetime) -> bool:
    return until is not None and until <= now


def _changes_addresses(change: AccessChange) -> bool:
    """Return whether cached addresses may be out of date after a change."""
    return change.action is not Action.PASSWORD and change.subject.scope is not Scope.APP_PASSWORD


def _subjects_of(identity: Identity) -> tuple[Subject, ...]:
    subjects = (
        Subject(Scope.ACCOUNT, identity.account, identity.tenant),
        Subject(Scope.DOMAIN, identity.address.domain, identity.tenant),
        Subject(Scope.TENANT, identity.tenant, identity.tenant),
    )
    if not identity.proof.id:
        return subjects
    return (*subjects, Subject(Scope.APP_PASSWORD, identity.proof.id, identity.tenant))
