"""Sends one leg: finds its route, makes one attempt, and reports what the row should know."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.attempt import DeliveryAttempt, RecipientAnswer
from mailyard.relay.bodyreader import BodyReader
from mailyard.relay.busy import SiteBusy, Stopping
from mailyard.relay.conclusion import ReplyClass, conclude, postpone, reply_class_of, return_to_queue
from mailyard.relay.outgoing import OutgoingMessage
from mailyard.relay.pool import Pool
from mailyard.relay.providers import NEXT_HOP, OTHER, provider_of
from mailyard.relay.route import RoutePolicy, Unroutable
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram
from mailyard.smtp.client import RecipientResult, Step
from mailyard.smtp.client.replies import own_reply
from mailyard.smtp.reply import Reply
from mailyard.spool.outcome import Report
from mailyard.spool.queue.stage import BODY_MISSING
from mailyard.spool.reasons import reason_of
from mailyard.store.blobs import BodyMissing

_log = get_logger(__name__)


class LegSender:
    """Send legs; what a remote host, the DNS or the store does ends in the report and raises nothing."""

    def __init__(
        self,
        routes: RoutePolicy,
        pool: Pool,
        bodies: BodyReader,
        *,
        most_recipients: int = 100,
        busy_seconds: float = 30.0,
        clock: Clock = now_utc,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """`most_recipients`: of one transaction. `busy_seconds`: for how long a leg is deferred, on average."""
        self._routes = routes
        self._pool = pool
        self._bodies = bodies
        self._most_recipients = most_recipients
        self._busy_seconds = busy_seconds
        self._clock = clock
        self._rng = rng
        self._results = counter("mailyard_relay_recipients_total")
        self._refusals = counter("mailyard_relay_refusals_total")
        self._uncertain = counter("mailyard_relay_uncertain_total")
        self._seconds = histogram("mailyard_relay_attempt_seconds")

    async def send_leg(self, ticket: Ticket, permitted: Callable[[], bool]) -> Report:
        """Make one attempt. Raises LeaseLost when `permitted` says that another process may have claimed the leg."""
        began = time.monotonic()
        try:
            provider, answers = await self._answers(ticket, permitted)
        except Stopping as error:
            return return_to_queue(ticket, self._clock(), str(error))
        except (SiteBusy, Unavailable) as error:
            return postpone(ticket, self._clock(), self._wait(error), str(error))
        self._seconds.labels(provider).observe(time.monotonic() - began)
        self._count(provider, answers)
        return conclude(ticket, answers, self._clock(), self._rng)

    def _wait(self, error: SiteBusy | Unavailable) -> timedelta:
        """Wait as long as the site says; else the usual time, jittered so that legs do not come back together."""
        if isinstance(error, SiteBusy) and error.seconds is not None:
            return timedelta(seconds=error.seconds)
        return timedelta(seconds=self._busy_seconds * (0.5 + self._rng()))

    async def _answers(
        self, ticket: Ticket, permitted: Callable[[], bool]
    ) -> tuple[str, list[RecipientAnswer]]:
        """Return the provider of the route, and an answer for each recipient."""
        try:
            message = OutgoingMessage(ticket, self._bodies)
        except ValueError as error:  # bad address syntax (RFC 3463 section 3.2)
            return OTHER, _alike(ticket, own_reply(553, "5.1.3", str(error)))
        route = await self._routes.route(ticket.tenant, _domain_of(ticket.sender), ticket.site)
        if isinstance(route, Unroutable):
            return OTHER, _alike(ticket, route.reply)
        provider = NEXT_HOP if route.configured else provider_of(route.hosts[0].name)
        attempt = DeliveryAttempt(
            message,
            route,
            self._pool,
            most_recipients=self._most_recipients,
            permitted=permitted,
        )
        try:
            return provider, await attempt.run()
        except BodyMissing as error:
            _log.error("relay.body_missing", spool_id=ticket.spool_id, error=str(error))
            return provider, _alike(ticket, own_reply(451, "4.3.0", BODY_MISSING))

    def _count(self, provider: str, answers: Sequence[RecipientAnswer]) -> None:
        uncertain = self._uncertain.labels(provider)
        for answer in answers:
            disposition = reply_class_of(answer.outcome)
            self._results.labels(provider, disposition.name.lower()).inc()
            if disposition is not ReplyClass.RELAYED:
                reason = reason_of(answer.reply.enhanced or "")
                self._refusals.labels(provider, disposition.name.lower(), reason).inc()
            if answer.outcome.uncertain:
                uncertain.inc()


def _domain_of(sender: str) -> str:
    """Return the domain of a reverse-path; empty: the null reverse-path."""
    return sender.rpartition("@")[2].lower()


def _alike(ticket: Ticket, reply: Reply) -> list[RecipientAnswer]:
    return [RecipientAnswer(RecipientResult(Step.CONNECT, reply, own=True))] * len(ticket.recipients)
