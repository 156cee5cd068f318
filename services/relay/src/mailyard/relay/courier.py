"""Carries one leg: finds its destination, tries it, and says what the row should know."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.attempt import Answer, Attempt, Lends
from mailyard.relay.bodies import Bodies
from mailyard.relay.busy import SiteBusy, Stopping
from mailyard.relay.conclusion import Fate, conclude, fate_of, give_back, postpone
from mailyard.relay.destination import Destination, Unroutable
from mailyard.relay.letter import Letter
from mailyard.relay.providers import NEXT_HOP, OTHER, provider_of
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram
from mailyard.smtp.client import Outcome, Step
from mailyard.smtp.client.replies import own_reply
from mailyard.smtp.reply import Reply
from mailyard.spool.outcome import Report
from mailyard.spool.queue.stage import BODY_MISSING
from mailyard.spool.reasons import reason_of
from mailyard.store.blobs import BodyMissing

_log = get_logger(__name__)


class Finds(Protocol):
    """What is needed of `mailyard.relay.resolver.Resolver`."""

    async def destination(self, domain: str) -> Destination | Unroutable:
        """Where mail for a domain goes."""


@dataclass(frozen=True, slots=True)
class CourierLimits:
    """See the settings of the same names."""

    transaction_recipients: int = 100
    busy_seconds: float = 30.0


class Courier:
    """Never raises for what a remote host, the DNS or the store does."""

    def __init__(
        self,
        finds: Finds,
        pool: Lends,
        bodies: Bodies,
        limits: CourierLimits,
        *,
        clock: Clock = now_utc,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._finds = finds
        self._pool = pool
        self._bodies = bodies
        self._limits = limits
        self._clock = clock
        self._dice = dice
        self._results = counter("mailyard_relay_recipients_total")
        self._refusals = counter("mailyard_relay_refusals_total")
        self._uncertain = counter("mailyard_relay_uncertain_total")
        self._seconds = histogram("mailyard_relay_attempt_seconds")

    async def carry(self, ticket: Ticket, permitted: Callable[[], bool]) -> Report:
        """Try the leg once. Raises LeaseLost when `permitted` says that it is not ours any more."""
        began = time.monotonic()
        try:
            provider, answers = await self._answers(ticket, permitted)
        except Stopping as error:
            return give_back(ticket, self._clock(), str(error))
        except (SiteBusy, Unavailable) as error:
            return postpone(ticket, self._clock(), self._wait(error), str(error))
        self._seconds.labels(provider).observe(time.monotonic() - began)
        self._count(provider, answers)
        return conclude(ticket, answers, self._clock(), self._dice)

    def _wait(self, error: SiteBusy | Unavailable) -> timedelta:
        """As long as the site says; else the usual time, jittered so that legs do not come back together."""
        if isinstance(error, SiteBusy) and error.seconds is not None:
            return timedelta(seconds=error.seconds)
        return timedelta(seconds=self._limits.busy_seconds * (0.5 + self._dice()))

    async def _answers(self, ticket: Ticket, permitted: Callable[[], bool]) -> tuple[str, list[Answer]]:
        """The destination's provider, and an answer for each recipient."""
        try:
            letter = Letter(ticket, self._bodies)
        except ValueError as error:  # bad address syntax (RFC 3463 section 3.2)
            return OTHER, _alike(ticket, own_reply(553, "5.1.3", str(error)))
        destination = await self._finds.destination(ticket.site)
        if isinstance(destination, Unroutable):
            return OTHER, _alike(ticket, destination.reply)
        provider = NEXT_HOP if destination.configured else provider_of(destination.hosts[0].name)
        attempt = Attempt(
            letter,
            destination,
            self._pool,
            most_recipients=self._limits.transaction_recipients,
            permitted=permitted,
        )
        try:
            return provider, await attempt.run()
        except BodyMissing as error:
            _log.error("relay.body_missing", spool_id=ticket.spool_id, error=str(error))
            return provider, _alike(ticket, own_reply(451, "4.3.0", BODY_MISSING))

    def _count(self, provider: str, answers: Sequence[Answer]) -> None:
        uncertain = self._uncertain.labels(provider)
        for answer in answers:
            fate = fate_of(answer.outcome)
            self._results.labels(provider, fate.name.lower()).inc()
            if fate is not Fate.RELAYED:
                reason = reason_of(answer.reply.enhanced or "")
                self._refusals.labels(provider, fate.name.lower(), reason).inc()
            if answer.outcome.uncertain:
                uncertain.inc()


def _alike(ticket: Ticket, reply: Reply) -> list[Answer]:
    return [Answer(Outcome(Step.CONNECT, reply, own=True))] * len(ticket.recipients)
