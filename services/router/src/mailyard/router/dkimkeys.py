"""Periodic work of the router: the rotation of DKIM keys."""

from collections.abc import Sequence

from mailyard.directory.dkim.rotation import DkimRotation
from mailyard.directory.sealing import sealing_keys_of
from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.dns.resolver import DnsOptions, DnsResolver
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store


class DkimKeyRotation:
    """Generates, activates and retires keys when a step is due."""

    def __init__(self, store: Store, settings: RouterSettings) -> None:
        self._rotation = DkimRotation(store, sealing_keys_of(settings), now_utc, settings.dkim_schedule())
        self._dns = DnsResolver(DnsOptions(settings.resolvers, settings.resolver_port))

    async def work(self) -> bool:
        """Do one due step; return whether there may be more. Raises Unavailable."""
        return await self._rotation.work(self._texts_of)

    async def _texts_of(self, name: str) -> Sequence[str] | None:
        answer = await self._dns.resolve(name, "TXT")
        if isinstance(answer, DnsAnswer):
            return answer.records
        return None if answer is DnsFailure.UNANSWERED else ()
