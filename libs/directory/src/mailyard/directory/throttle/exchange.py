"""Exchanges failed logins with all other processes: one write and one read in a second, and none in quiet times.

While MongoDB is unreachable each process goes on with its own counts. What it has to report waits, up to a bound,
and what it missed it reads afterwards.
"""

import asyncio
import secrets
import time

from mailyard.directory.attempts import ClientNetwork
from mailyard.directory.cache import Monotonic, unchanged
from mailyard.directory.throttle.blocks import LoginBlocks
from mailyard.directory.throttle.failurelog import KEPT_SECONDS, REPORTS_OF_A_READ, FailureLog
from mailyard.directory.throttle.networks import LoginNetworks
from mailyard.directory.throttle.report import Block, FailureReport
from mailyard.directory.throttle.throttle import LoginThrottle, Pair
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.store.client import Store
from mailyard.store.group import GroupCommit

EXCHANGE_SECONDS = 1.0
_OVERLAP_SECONDS = 10.0  # a report may become visible after a later one; clocks of two primaries may differ
_MARGIN_SECONDS = 60.0  # a report is stored somewhat after it was sent
_LONGEST_SECONDS = KEPT_SECONDS - 60.0  # a report that is read shall not be gone
_ASK_SECONDS = 1.0
_PAIRS_OF_A_QUERY = 500
_MOST_ASKING = 2_000
_BLOCKS = counter("mailyard_login_blocks_total")
_log = get_logger(__name__)


class LoginExchange:
    """Sends what a throttle has pending, and hands it what others have sent. `exchange` is work for `Periodic`."""

    def __init__(self, store: Store, throttle: LoginThrottle, *, clock: Monotonic = time.monotonic) -> None:
        """Exchange through `store`; `clock` gives seconds and never goes back."""
        self._reports = FailureLog(store)
        self._blocks = LoginBlocks(store)
        self._networks = LoginNetworks(store)
        self._throttle = throttle
        self._clock = clock
        self._process = secrets.token_hex(8)
        self._sent = 0
        self._unsent: tuple[str, FailureReport] | None = None
        self._seen: dict[str, float] = {}
        self._read_at: float | None = None
        self._was_active = False
        self._asked: GroupCommit[Pair, list[bool], bool] = GroupCommit(
            self._networks.entry_known, unchanged, max_items=_PAIRS_OF_A_QUERY
        )

    async def recall(self, login: str, client: ClientNetwork) -> None:
        """Before a login would have to wait, ask once in a minute whether its network is known; no answer means no."""
        if not self._throttle.must_ask(login, client):
            return
        pair = (login, client.network)
        known = False
        if self._asked.backlog < _MOST_ASKING:
            try:
                async with asyncio.timeout(_ASK_SECONDS):
                    known = await self._asked.submit(pair)
            except (Unavailable, TimeoutError) as error:
                _log.debug("login.networks_unavailable", error=str(error))
        self._throttle.knows(pair, known=known)

    async def exchange(self) -> bool:
        """Send, then read; return whether there is more to read. Raises Unavailable."""
        await self._send_networks()
        if not self._throttle.is_active and self._unsent is None:
            self._was_active = False
            return False
        if not self._was_active:
            await self._read_blocks()
            self._was_active = True
        await self._send()
        return await self._receive()

    async def _read_blocks(self) -> None:
        """Blocks may have begun or been lifted since this process has read reports the last time."""
        stored = await self._blocks.entry_in_force()
        self._throttle.replace_blocks([Block(each.subject, each.seconds) for each in stored])

    async def _send(self) -> None:
        """Send a report; when it is not known to be stored, send the same again at the next time."""
        if self._unsent is None:
            report = self._throttle.pending()
            if not report:
                return
            self._sent += 1
            self._unsent = (f"{self._process}:{self._sent}", report)
        name, report = self._unsent
        self._seen[name] = self._clock()
        await self._reports.add(name, report)
        if report.blocks:
            self._tell(await self._blocks.add(report.blocks))
        self._unsent = None

    async def _send_networks(self) -> None:
        networks = self._throttle.pending_networks()
        if networks:
            await self._networks.add(networks)
            self._throttle.stored(list(networks))

    async def _receive(self) -> bool:
        now = self._clock()
        unread = _LONGEST_SECONDS if self._read_at is None else now - self._read_at
        window = min(_LONGEST_SECONDS, unread + _OVERLAP_SECONDS)
        self._seen = {name: at for name, at in self._seen.items() if at > now - window - _MARGIN_SECONDS}
        found = await self._reports.entry_since(window, self._seen)
        for name, report in found.items():
            self._seen[name] = now
            self._throttle.take(report)
            await asyncio.sleep(0)  # others are served in between
        if len(found) == REPORTS_OF_A_READ:
            return True
        self._read_at = now
        return False

    def _tell(self, blocks: list[Block]) -> None:
        for each in blocks:
            _BLOCKS.labels(each.subject.kind).inc()
            _log.warning(
                "login.blocked",
                kind=each.subject.kind.value,
                subject=each.subject.name,
                seconds=round(each.seconds),
            )
