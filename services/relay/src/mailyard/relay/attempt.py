"""One attempt to send one leg: host after host, transaction after transaction, until every recipient has an answer.

Only a failure before the message goes on to the next host (a connection that fails, 421). Once a host has answered for
a recipient, or may have accepted the message, its answer is final for this attempt.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailyard.relay.busy import AddressesBusy, Stopping
from mailyard.relay.connector import ConnectFailure
from mailyard.relay.outgoing import OutgoingMessage
from mailyard.relay.pool import Pool
from mailyard.relay.route import Host, RelayRoute
from mailyard.relay.session import ClientSession
from mailyard.runtime.logs import get_logger
from mailyard.smtp.client import RecipientResult, Step
from mailyard.smtp.client.replies import own_reply
from mailyard.smtp.reply import Reply

HOSTS_SECONDS: Final = 600.0  # after which one attempt tries no further host
_STALE: Final = {Step.MAIL, Step.RSET}  # where a kept connection shows that the server has closed it

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RecipientAnswer:
    """The reply for one recipient, of `peer` (empty: relay itself), and the `tls` version and cipher of the session.

    `dsn_passed`: the host took over the DSN parameters.
    """

    outcome: RecipientResult
    peer: str = ""
    tls: str = ""
    dsn_passed: bool = False

    @property
    def reply(self) -> Reply:
        """Return the reply itself."""
        return self.outcome.reply


class LeaseLost(Exception):
    """Another process may be sending this leg: stop."""


class DeliveryAttempt:
    """Collect an answer for each recipient, by its position in the ticket."""

    def __init__(
        self,
        message: OutgoingMessage,
        route: RelayRoute,
        pool: Pool,
        *,
        most_recipients: int,
        permitted: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`permitted` is asked before each transaction whether the leg is still claimed by this process.

        `clock`: monotonic seconds.
        """
        self._message = message
        self._route = route
        self._pool = pool
        self._most = most_recipients
        self._permitted = permitted
        self._clock = clock
        self._answers: dict[int, RecipientAnswer] = {}
        self._last = RecipientAnswer(
            RecipientResult(Step.CONNECT, own_reply(451, "4.3.0", "not tried yet"), own=True)
        )
        self._smtputf8 = False

    async def run(self) -> list[RecipientAnswer]:
        """Return one answer for each recipient.

        An error is raised only while no recipient has an answer; later errors are logged.

        Raises:
            SiteBusy: no connection was free.
            LeaseLost: another process may have claimed the leg.
            BodyMissing, Unavailable: the message cannot be read.

        """
        try:
            self._smtputf8 = await self._message.needs_smtputf8()
            await self._try_hosts(self._clock() + HOSTS_SECONDS)
        except Exception:
            if not self._answers:
                raise
            _log.warning("relay.attempt_cut_short", exc_info=True)
        return [self._answers.get(position, self._last) for position in range(len(self._message.recipients))]

    @property
    def _open(self) -> list[int]:
        return [
            position for position in range(len(self._message.recipients)) if position not in self._answers
        ]

    async def _try_hosts(self, until: float) -> None:
        """Try host after host; then wait in line for those whose addresses were all in use."""
        full = []
        for host in self._route.hosts:
            try:
                await self._try(host)
            except AddressesBusy:
                full.append(host)
            if not self._open or self._clock() >= until:
                break
        for host in full:
            if self._open and self._clock() < until:
                await self._try(host, in_line=True)

    async def _try(self, host: Host, *, in_line: bool = False) -> None:
        """Send to the recipients without an answer, until all have one or the host cannot be used any more."""
        while self._open:
            session = await self._pool.acquire(host, self._route, self._message.tenant, in_line=in_line)
            if isinstance(session, ConnectFailure):
                self._last = RecipientAnswer(
                    RecipientResult(session.step, session.reply, session.own), session.peer
                )
                if (
                    session.own and session.reply.is_permanent
                ):  # the host is ourselves: none behind it is closer
                    self._answers |= dict.fromkeys(self._open, self._last)
                return
            try:
                if not self._permitted():
                    raise LeaseLost
                used_before = session.transactions > 0
                unanswered = await self._send(session)
            finally:
                self._pool.release(session)
            if session.was_cut and self._open:
                raise Stopping("relay is stopping")
            if unanswered is not None and not (used_before and unanswered.step in _STALE):
                return

    async def _send(self, session: ClientSession) -> RecipientResult | None:
        """Run one transaction; return the failure for which the other recipients must go to another host."""
        positions = self._open[: self._most]
        envelope = self._message.envelope(positions, smtputf8=self._smtputf8)
        done = await session.send(envelope, self._message.content())
        taken = any(outcome.reply.is_positive for outcome in done.outcomes)
        unanswered = None
        for position, outcome in zip(positions, done.outcomes, strict=True):
            answer = RecipientAnswer(outcome, session.peer, session.tls, done.dsn_passed)
            if goes_on(outcome):
                self._last, unanswered = answer, outcome
            elif taken and is_one_too_many(outcome):
                self._last = answer
            else:
                self._answers[position] = answer
        return unanswered


def goes_on(outcome: RecipientResult) -> bool:
    """Tell whether another connection may be tried at once: the host has surely not accepted the message over this one."""
    if outcome.own:
        return outcome.reply.is_transient and outcome.step is not Step.END
    return outcome.reply.code == 421


def is_one_too_many(outcome: RecipientResult) -> bool:
    """Tell whether the host accepts fewer recipients at a time: the others go in the next transaction (RFC 5321 section 4.5.3.1.10)."""
    return (
        outcome.step is Step.RCPT and outcome.reply.code == 452 and outcome.reply.enhanced in {None, "4.5.3"}
    )
