"""The life of DKIM keys: adding, rotating and revoking them, by command and by schedule.

A step that was interrupted is due again after five minutes, and does nothing twice: each change of a state names the
state before it, and two indexes allow one active key for an algorithm and one key for a selector.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory.dkim.keys import (
    DEFAULT_PREFIX,
    SLOTS,
    Algorithm,
    DkimKey,
    KeyState,
    is_published,
    new_key_pair,
    other_slot,
)
from mailyard.directory.dkim.keystore import DkimKeys
from mailyard.directory.dkim.zone import key_name
from mailyard.directory.errors import AlreadyExists, InUse, Invalid, NotFound
from mailyard.directory.sealing import SealingKeys
from mailyard.runtime.clock import Clock
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction

_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_FIRST_CHECK = timedelta(minutes=15)
_LONGEST_CHECK = timedelta(hours=6)
_BLOCKED = timedelta(days=1)
_log = get_logger(__name__)
_STEPS = counter("mailyard_dkim_steps_total")

TextLookup = Callable[[str], Awaitable[Sequence[str] | None]]
"""Returns the TXT records of a name, empty where there are none; None: the DNS did not answer."""


@dataclass(frozen=True, slots=True)
class RotationSchedule:
    """For how long a key signs (None: until it is rotated by command), and for how long it is published before and after."""

    active: timedelta | None = timedelta(days=180)
    before: timedelta = timedelta(hours=1)
    after: timedelta = timedelta(days=7)


class DkimRotation:
    """Each method raises DirectoryError or Unavailable."""

    def __init__(
        self, store: Store, sealing: SealingKeys, clock: Clock, schedule: RotationSchedule | None = None
    ) -> None:
        self._store = store
        self._sealing = sealing
        self._clock = clock
        self._schedule = schedule or RotationSchedule()
        self.keys = DkimKeys(store)

    async def add(
        self,
        tenant: str,
        domain: str,
        algorithms: Collection[Algorithm] = (Algorithm.RSA,),
        prefix: str = DEFAULT_PREFIX,
    ) -> list[DkimKey]:
        """Generate the first keys of a domain. Raises AlreadyExists: it has keys of an algorithm."""
        if not _PREFIX.fullmatch(prefix):
            raise Invalid("a selector prefix has 1 to 32 characters of a-z, 0-9 and hyphen")
        known = {key.algorithm for key in await self.keys.list(tenant, domain) if _is_used(key)}
        if taken := [each for each in algorithms if each in known]:
            raise AlreadyExists(
                f"{domain} has DKIM keys of {', '.join(taken)}: use mailyard dkim rotate {domain} for new ones"
            )
        return [await self._add(tenant, domain, prefix, SLOTS[0], each) for each in algorithms]

    async def rotate(self, tenant: str, domain: str, algorithm: Algorithm | None = None) -> list[DkimKey]:
        """Generate the next key of each algorithm of a domain, or of one.

        It becomes active once the DNS shows it. Raises NotFound: there is no key; InUse: the last rotation is not over.
        """
        used = [key for key in await self.keys.list(tenant, domain) if _is_used(key)]
        wanted = dict.fromkeys(key.algorithm for key in used if algorithm in (None, key.algorithm))
        if not wanted:
            raise NotFound(f"{domain} has no DKIM key to rotate: use mailyard dkim add {domain}")
        for each in wanted:
            self._refuse_unfinished(domain, [key for key in used if key.algorithm is each])
        newest = {key.algorithm: key for key in used}
        return [await self._next(newest[each]) for each in wanted]

    async def revoke(self, tenant: str, domain: str, selector: str) -> DkimKey:
        """Retire a key at once, because its private key is known to others. Its domain may be without a signature."""
        found = [key for key in await self.keys.list(tenant, domain) if _is_used(key)]
        for key in found:
            if key.selector == selector:
                if not await self.keys.retire(key, self._clock()):
                    raise InUse(f"the key {selector} of {domain} has changed meanwhile: try again")
                self._report("revoked", key)
                return replace(key, state=KeyState.RETIRED, private="")
        selectors = ", ".join(key.selector for key in found) or "none"
        raise NotFound(f"{domain} has no DKIM key {selector} in use; selectors in use: {selectors}")

    async def reseal(self) -> int:
        """Seal private keys again that another than the first sealing key has sealed; return how many. Raises SealingError."""
        count = 0
        for domain, tenant in dict.fromkeys((key.domain, key.tenant) for key in await self.keys.entry_all()):
            for key in await self.keys.list(tenant, domain):
                if key.private and not self._sealing.is_current(key.private):
                    opened = self._sealing.open(key.private, key.sealing_context)
                    await self.keys.reseal(key, self._sealing.seal(opened, key.sealing_context))
                    count += 1
        return count

    async def work(self, lookup: TextLookup) -> bool:
        """Do the step that is due for longest; return whether there may be more."""
        key = await self.keys.entry_claim_due(self._clock())
        if key is None:
            return False
        match key.state:
            case KeyState.PENDING:
                await self._check(key, await lookup(key_name(key.domain, key.selector)))
            case KeyState.ACTIVE:
                await self._succeed(key)
            case KeyState.RETIRING:
                if await self.keys.retire(key, self._clock()):
                    self._report("retired", key)
            case KeyState.RETIRED:
                raise AssertionError("a retired key has no due step")
        return True

    async def _check(self, key: DkimKey, records: Sequence[str] | None) -> None:
        """Activate a key that the DNS shows; look again later for others."""
        now = self._clock()
        if records is None or not is_published(key, records):
            await self.keys.postpone(key, _next_check(key.checks, now), checked=records is not None)
            self._report("not_published", key)
            return
        schedule = self._schedule

        async def both(session: AsyncClientSession) -> bool:
            due_at = None if schedule.active is None else now + schedule.active
            await self.keys.begin_retiring(key, now, now + schedule.after, session)
            return await self.keys.activate(key, now, due_at, session)

        if await in_transaction(self._store, both):
            self._report("activated", key)

    async def _succeed(self, key: DkimKey) -> None:
        """Generate the successor of an active key, unless its selector is still used."""
        used = [each for each in await self.keys.list(key.tenant, key.domain) if _is_used(each)]
        if any(each.id != key.id and each.algorithm is key.algorithm for each in used):
            await self.keys.postpone(key, self._clock() + _BLOCKED, checked=False)
            return
        await self._next(key)
        await self.keys.postpone(key, self._clock() + _BLOCKED, checked=False)

    async def _next(self, key: DkimKey) -> DkimKey:
        return await self._add(key.tenant, key.domain, key.prefix, other_slot(key.slot), key.algorithm)

    async def _add(self, tenant: str, domain: str, prefix: str, slot: int, algorithm: Algorithm) -> DkimKey:
        pair = await asyncio.to_thread(new_key_pair, algorithm)
        now = self._clock()
        key = DkimKey(
            id=ObjectId(),
            tenant=tenant,
            domain=domain,
            prefix=prefix,
            slot=slot,
            algorithm=algorithm,
            state=KeyState.PENDING,
            public=pair.public,
            private="",
            created_at=now,
        )
        key = replace(key, private=self._sealing.seal(pair.private, key.sealing_context))
        try:
            await self.keys.add(key, now + self._schedule.before)
        except DuplicateKeyError:
            raise InUse(f"another key of {domain} uses the selector {key.selector}") from None
        self._report("generated", key)
        return key

    def _refuse_unfinished(self, domain: str, used: Sequence[DkimKey]) -> None:
        if len(used) > 1 or used[0].state is not KeyState.ACTIVE:
            states = ", ".join(f"{key.selector} is {key.state}" for key in used)
            raise InUse(f"the last rotation of {domain} is not over: {states}")

    def _report(self, step: str, key: DkimKey) -> None:
        _STEPS.labels(step).inc()
        _log.info(
            "dkim.step",
            step=step,
            tenant=key.tenant,
            domain=key.domain,
            selector=key.selector,
            checks=key.checks,
        )


def _is_used(key: DkimKey) -> bool:
    return key.state is not KeyState.RETIRED


def _next_check(checks: int, now: datetime) -> datetime:
    """Look for a key that the DNS did not show after 15 minutes, then ever later, up to 6 hours."""
    return now + min(_LONGEST_CHECK, _FIRST_CHECK * (1 << min(checks, 10)))
