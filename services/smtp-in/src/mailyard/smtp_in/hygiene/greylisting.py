"""The check that defers first attempts of unknown networks (RFC 6647), shared over processes through the store.

What passes is remembered in the process, so that known senders cost nothing. All other attempts of a moment share their commands:
two that read and at most two that write. A store that does not answer lets everybody pass.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailyard.directory.cache import Monotonic, TtlCache, unchanged
from mailyard.directory.greylist import (
    MOST_NETWORKS,
    Greylist,
    NetworkChange,
    NetworkRow,
    PairChange,
    PairRow,
)
from mailyard.directory.model import Expansion, LocalAccount
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.smtp.reply import reply
from mailyard.smtp_in.hygiene.buckets import Buckets
from mailyard.smtp_in.hygiene.checks import Judgement, RecipientCheck, RecipientQuestion
from mailyard.smtp_in.hygiene.concern import Concern
from mailyard.smtp_in.hygiene.greylistrules import GreylistRules, pair_of, wait_of
from mailyard.smtp_in.hygiene.networks import Networks, counted_as, is_within, sending_network
from mailyard.store.group import GroupCommit

_BATCH = 200
_MOST_WAITING = 2000  # attempts; more pass
_SECONDS = 3.0  # that the store has
_KNOWN_SECONDS = 3600.0
_ENTRIES = 50_000
_NEW_PAIRS = 600  # of one network around a client, at once
_NEW_PAIRS_PER_SECOND = 1.0
_OUTCOMES = ("known", "passed", "deferred", "too-many", "busy", "unavailable")
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recipient that an unknown network names."""

    pair: bytes
    tenant: str
    network: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """How long an attempt waits; zero: it passes. `is_known`: its network waits no more at all."""

    wait: timedelta
    is_known: bool = False


class GreylistCheck(RecipientCheck):
    """Objects to first attempts; its refusal is a deferral."""

    name = "greylisting"

    def __init__(
        self,
        rows: Greylist,
        rules: GreylistRules,
        known: Networks,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Keep attempts in `rows`; networks of `known` never wait."""
        self._rows = rows
        self._rules = rules
        self._known = known
        self._clock = clock
        self._networks: TtlCache[str, bool] = TtlCache(_ENTRIES, clock)  # that wait no more
        self._pairs: TtlCache[bytes, bool] = TtlCache(_ENTRIES, clock)  # that have passed
        self._new = Buckets(_NEW_PAIRS, _NEW_PAIRS_PER_SECOND)
        self._attempts: GroupCommit[Attempt, list[Ruling], Ruling] = GroupCommit(
            self._decide, unchanged, max_items=_BATCH
        )
        attempts = counter("mailyard_smtp_in_greylist_attempts_total")
        self._outcomes = {each: attempts.labels(each) for each in _OUTCOMES}

    def judge_recipient(self, question: RecipientQuestion) -> Judgement:
        """Judge one recipient."""
        context, ip = question.context, question.context.client.address
        network = sending_network(ip)
        if question.client.is_known_good or self._networks.get(network) or is_within(ip, self._known):
            return self._pass("known")
        pair = pair_of(context.transaction.sender, question.recipient.key, network)
        if self._pairs.get(pair):
            return self._pass("known")
        if self._attempts.backlog >= _MOST_WAITING:
            return self._pass("busy")
        if not self._new.take(counted_as(ip).network, self._clock()):
            self._count("too-many")
            return _concern(self._rules.wait, network)
        resolution = question.resolution
        tenant = resolution.tenant if isinstance(resolution, LocalAccount | Expansion) else ""
        return self._ask(Attempt(pair, tenant, network, now_utc()))

    async def _ask(self, attempt: Attempt) -> Concern | None:
        try:
            async with asyncio.timeout(_SECONDS):
                ruling = await self._attempts.submit(attempt)
        except (Unavailable, TimeoutError) as error:
            _log.warning("smtp_in.greylist_unavailable", error=str(error) or "no answer in time")
            return self._pass("unavailable")
        if ruling.wait:
            self._count("deferred")
            return _concern(ruling.wait, attempt.network)
        if ruling.is_known:
            self._networks.put(attempt.network, True, _KNOWN_SECONDS)
            return self._pass("known")
        self._pairs.put(attempt.pair, True, _KNOWN_SECONDS)
        return self._pass("passed")

    def _pass(self, outcome: str) -> Concern | None:
        """Count an attempt that passes, and object to nothing."""
        self._count(outcome)
        return None

    def _count(self, outcome: str) -> None:
        self._outcomes[outcome].inc()

    async def _decide(self, attempts: Sequence[Attempt]) -> list[Ruling]:
        """Rule on a batch, and keep what is new of it."""
        networks = await self._rows.networks({each.network for each in attempts})
        asked = {each.pair for each in attempts if not self._is_known(networks.get(each.network))}
        pairs = await self._rows.pairs(asked) if asked else {}
        rulings = [self._rule(each, networks.get(each.network), pairs.get(each.pair)) for each in attempts]
        ruled = dict(zip(attempts, rulings, strict=True))
        await self._rows.change_pairs(self._pair_changes(ruled, pairs))
        await self._rows.change_networks(self._network_changes(ruled, pairs, networks))
        return rulings

    def _is_known(self, row: NetworkRow | None) -> bool:
        return row is not None and row.passes >= self._rules.passes

    def _rule(self, attempt: Attempt, network: NetworkRow | None, pair: PairRow | None) -> Ruling:
        if self._is_known(network):
            return Ruling(timedelta(), is_known=True)
        if pair is not None and pair.passed:
            return Ruling(timedelta())
        tried = pair.networks if pair is not None else {}
        return Ruling(wait_of(tried, attempt.network, attempt.at, self._rules))

    def _pair_changes(
        self, ruled: Mapping[Attempt, Ruling], pairs: Mapping[bytes, PairRow]
    ) -> list[PairChange]:
        changes = []
        for attempt, ruling in ruled.items():
            pair = pairs.get(attempt.pair, PairRow())
            if ruling.is_known or pair.passed:
                continue
            passed = not ruling.wait
            before = pair.networks.get(attempt.network)
            is_new = before is None and len(pair.networks) < MOST_NETWORKS
            is_old = before is not None and attempt.at - before > self._rules.retry
            if passed or is_new or is_old:
                expires = attempt.at + (self._rules.keep if passed else self._rules.retry)
                changes.append(
                    PairChange(
                        attempt.pair, attempt.tenant, attempt.network, attempt.at, expires, passed, is_old
                    )
                )
        return changes

    def _network_changes(
        self,
        ruled: Mapping[Attempt, Ruling],
        pairs: Mapping[bytes, PairRow],
        networks: Mapping[str, NetworkRow],
    ) -> list[NetworkChange]:
        """Count pairs that pass now, and let networks that still send stay known."""
        passes: Counter[str] = Counter()
        now = max(attempt.at for attempt in ruled)
        for attempt, ruling in ruled.items():
            if ruling.is_known:
                row = networks[attempt.network]
                if row.expires - now < self._rules.keep * 0.75:
                    passes[attempt.network] += 0
            elif not ruling.wait and not pairs.get(attempt.pair, PairRow()).passed:
                passes[attempt.network] += 1
        return [NetworkChange(network, count, now + self._rules.keep) for network, count in passes.items()]


def _concern(wait: timedelta, network: str) -> Concern:
    seconds = max(1, round(wait.total_seconds()))
    refusal = reply(451, "4.7.1", f"Greylisted, please try again in {seconds} seconds")
    return Concern("first-attempt", f"{network} is not known yet; {seconds} seconds to wait", refusal)
