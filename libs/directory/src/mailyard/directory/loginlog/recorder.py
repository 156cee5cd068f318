"""Writes the login log beside the logins: once a second, all rows of all accounts in one command.

A login never waits for the log. While MongoDB is unreachable rows wait, up to a bound; beyond it they are dropped and counted.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from bson import ObjectId

from mailyard.directory.cache import Monotonic
from mailyard.directory.identity import Proof
from mailyard.directory.loginlog.log import LoggedLogins, LoginLine, LoginLog
from mailyard.directory.loginlog.sums import LoginSums
from mailyard.directory.policies import Policies
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.metrics import counter
from mailyard.runtime.periodic import Periodic
from mailyard.store.client import Store

_WRITE_SECONDS = 1.0
_LAST_SECONDS = 5.0
_ROWS_OF_A_WRITE = 1_000
_MOST_ROWS = 20_000
_DROPPED = counter("mailyard_login_log_dropped_total")


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that a login is for."""

    account: str
    tenant: str
    domain: str


class LoginRecorder:
    """The login log of a process (a `Component`: on drain, all sums are written)."""

    name = "login-log"

    def __init__(
        self,
        store: Store,
        policies: Policies,
        days: int,
        *,
        now: Callable[[], datetime] = now_utc,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Keep rows for `days` where a policy says nothing else; 0: keep none."""
        self._log = LoginLog(store)
        self._policies = policies
        self._days = days
        self._now = now
        self._clock = clock
        self._sums = LoginSums()
        self._waiting: dict[ObjectId, LoggedLogins] = {}
        self._writing = Periodic(self.name, _WRITE_SECONDS, self.write)

    def note(
        self,
        owner: Owner,
        *,
        service: str,
        client: str,
        proof: Proof | None,
        result: str,
    ) -> None:
        """Note a login to an account; `proof` is None where nothing was proved."""
        kind, name = (proof.kind.value, proof.name) if proof is not None else ("", "")
        line = LoginLine(owner.tenant, owner.domain, owner.account, service, client, kind, name, result)
        self._wait(self._sums.add(line, self._now(), self._clock()))

    async def write(self) -> bool:
        """Write rows that wait; return whether there are more. Raises Unavailable."""
        self._wait(self._sums.ended(self._clock(), _ROWS_OF_A_WRITE))
        rows = dict(islice(self._waiting.items(), _ROWS_OF_A_WRITE))
        domains = sorted({each.line.domain for each in rows.values()})
        kept = dict(zip(domains, await asyncio.gather(*map(self._kept, domains)), strict=True))
        wanted = {key: (each, kept[each.line.domain]) for key, each in rows.items() if kept[each.line.domain]}
        if wanted:
            await self._log.add(wanted)
        for key in rows:
            del self._waiting[key]
        return bool(self._waiting)

    async def start(self) -> None:
        """Begin to write."""
        await self._writing.start()

    def not_ready_reason(self) -> str | None:
        """Return None: logins go on without the log."""
        return None

    async def drain(self) -> None:
        """Write what waits, and all sums."""
        await self._writing.drain()
        self._wait(self._sums.ended(float("inf"), _MOST_ROWS))
        with contextlib.suppress(Unavailable, TimeoutError):  # the process ends, and with it what is left
            async with asyncio.timeout(_LAST_SECONDS):
                while await self.write():
                    pass

    async def close(self) -> None:
        """End at once."""
        await self._writing.close()

    def _wait(self, rows: list[LoggedLogins]) -> None:
        room = _MOST_ROWS - len(self._waiting)
        self._waiting |= {ObjectId(): each for each in rows[:room]}
        if len(rows) > room:
            _DROPPED.inc(len(rows) - room)

    async def _kept(self, domain: str) -> timedelta:
        """Return how long the rows of a domain's accounts are kept."""
        try:
            days = (await self._policies.of_domain(domain)).login_log_days
        except Unavailable:  # a policy that cannot be read; where it is the store, the write fails
            days = None
        return timedelta(days=self._days if days is None else days)
