"""Whom hygiene is about: clients that have not logged in, on the listeners that are set, outside of trusted networks."""

from collections.abc import Collection
from functools import lru_cache, partial

from mailyard.smtp_in.hooks import SmtpContext
from mailyard.smtp_in.hygiene.concern import JudgedClient
from mailyard.smtp_in.hygiene.networks import Networks, is_within


class HygieneScope:
    """Says whether a client is judged, and keeps its state in the context."""

    def __init__(self, listeners: Collection[str], trusted: Networks) -> None:
        self._listeners = frozenset(listeners)
        self._is_trusted = lru_cache(maxsize=8192)(partial(is_within, networks=tuple(trusted)))

    def client(self, context: SmtpContext) -> JudgedClient | None:
        """Return the state of the client, None where it is not judged."""
        if context.identity is not None or context.listener not in self._listeners:
            return None
        state = context.hygiene
        if state is None:
            state = JudgedClient(is_exempt=self._is_trusted(context.client.address))
            context.hygiene = state
        return None if state.is_exempt else state
