"""Sessions that are kept for the next leg to the same host."""

from collections import Counter, OrderedDict

from mailyard.relay.route import ConnectionKey
from mailyard.relay.session import ClientSession


class IdleSessions:
    """Sessions by connection key and by site; the caller owns a session that it takes out."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[ClientSession, tuple[str, ConnectionKey]] = OrderedDict()  # oldest first
        self._of_key: dict[ConnectionKey, list[ClientSession]] = {}
        self._of_site: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._sessions)

    def of_site(self, site: str) -> int:
        """Return how many are kept for a site."""
        return self._of_site[site]

    def has(self, key: ConnectionKey) -> bool:
        """Tell whether one is kept for a host."""
        return key in self._of_key

    def keep(self, site: str, key: ConnectionKey, session: ClientSession) -> None:
        """Keep a session."""
        self._sessions[session] = (site, key)
        self._of_key.setdefault(key, []).append(session)
        self._of_site[site] += 1

    def freshest(self, key: ConnectionKey) -> ClientSession | None:
        """Take out the session with a host that was used last."""
        sessions = self._of_key.get(key)
        return self._take(sessions[-1]) if sessions else None

    def oldest(self, site: str | None = None) -> ClientSession | None:
        """Take out the session that was used first, of all or of one site."""
        found = next((each for each, (of, _) in self._sessions.items() if site in {None, of}), None)
        return None if found is None else self._take(found)

    def oldest_in(self, network: str) -> ClientSession | None:
        """Take out the session that was used first, of those that count under this address or network."""
        found = next((each for each in self._sessions if network in (each.networks or ())), None)
        return None if found is None else self._take(found)

    def expired(self, before: float) -> list[ClientSession]:
        """Take out sessions that have been idle since `before`, or whose peer has gone."""
        old = [each for each in self._sessions if each.idle_since <= before or not each.usable]
        return [self._take(session) for session in old]

    def _take(self, session: ClientSession) -> ClientSession:
        site, key = self._sessions.pop(session)
        self._of_key[key].remove(session)
        if not self._of_key[key]:
            del self._of_key[key]
        self._of_site[site] -= 1
        if not self._of_site[site]:
            del self._of_site[site]
        return session
