"""Sessions that are kept for the next leg to the same host."""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from mailyard.relay.networklimiter import NetworkKeys


class Keepable(Protocol):
    """What is needed of `mailyard.relay.session.Session`."""

    idle_since: float
    networks: NetworkKeys | None

    @property
    def usable(self) -> bool:
        """Another transaction may begin."""


K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Keepable)


class Idle(Generic[K, S]):
    """Whoever takes a session out, for use or to end it, owns it."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[S, tuple[str, K]] = OrderedDict()  # oldest first
        self._of_key: dict[K, list[S]] = {}
        self._of_site: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._sessions)

    def of_site(self, site: str) -> int:
        """How many are kept for a site."""
        return self._of_site[site]

    def has(self, key: K) -> bool:
        """Whether one is kept for a host."""
        return key in self._of_key

    def keep(self, site: str, key: K, session: S) -> None:
        """Keep a session."""
        self._sessions[session] = (site, key)
        self._of_key.setdefault(key, []).append(session)
        self._of_site[site] += 1

    def freshest(self, key: K) -> S | None:
        """Take out the session with a host that was used last."""
        sessions = self._of_key.get(key)
        return self._take(sessions[-1]) if sessions else None

    def oldest(self, site: str | None = None) -> S | None:
        """Take out the session that was used first, of all or of one site."""
        found = next((each for each, (of, _) in self._sessions.items() if site in {None, of}), None)
        return None if found is None else self._take(found)

    def oldest_in(self, network: str) -> S | None:
        """Take out the session that was used first, of those that count under this address or network."""
        found = next((each for each in self._sessions if network in (each.networks or ())), None)
        return None if found is None else self._take(found)

    def expired(self, before: float) -> list[S]:
        """Take out sessions that have been idle since `before`, or whose peer has gone."""
        old = [each for each in self._sessions if each.idle_since <= before or not each.usable]
        return [self._take(session) for session in old]

    def _take(self, session: S) -> S:
        site, key = self._sessions.pop(session)
        self._of_key[key].remove(session)
        if not self._of_key[key]:
            del self._of_key[key]
        self._of_site[site] -= 1
        if not self._of_site[site]:
            del self._of_site[site]
        return session
