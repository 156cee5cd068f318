"""Senders: each mail is tried again, under a new number, until the server acknowledges it."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.chaos import mails
from tests.chaos.mails import Mail
from tests.chaos.verdict import Attempt
from tests.trial.smtp import ConnectionEnded, Outcome, SmtpConnection

SENDER = "trial@sender.test"
REPLY_LIMIT_SECONDS = 45
MAILS_PER_CONNECTION = 40
PAUSE_SECONDS = 0.02


@dataclass(slots=True)
class Book:
    """What was attempted and what came of it; written down before the server can have the mail."""

    seed: int
    attempts: dict[int, Attempt] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def begin(self, mail: Mail) -> tuple[int, bytes]:
        """A new attempt: its number and its octets."""
        number = next(self._numbers)
        octets = mails.compose(self.seed, number, mail.size)
        self.attempts[number] = Attempt(number, mail.recipients, mails.digest(octets), Outcome.UNKNOWN)
        return number, octets

    def end(self, number: int, mailboxes: tuple[str, ...], outcome: Outcome) -> None:
        """The attempt's outcome and the recipients that the server took."""
        begun = self.attempts[number]
        self.attempts[number] = Attempt(number, mailboxes, begun.digest, outcome)

    def acknowledged(self) -> set[tuple[str, int]]:
        """Every mailbox and number that must be found."""
        return {
            (mailbox, attempt.number)
            for attempt in self.attempts.values()
            if attempt.outcome is Outcome.ACKNOWLEDGED
            for mailbox in attempt.mailboxes
        }


class Senders:
    """Several connections that share the mails to be sent; `pace` says how many may be done after so many seconds."""

    def __init__(
        self,
        server: tuple[str, int],
        book: Book,
        todo: Sequence[Mail],
        pace: Callable[[float], float],
        *,
        mails_per_connection: int = MAILS_PER_CONNECTION,
    ) -> None:
        self._mails_per_connection = mails_per_connection
        self._server = server
        self._book = book
        self._todo = deque(todo)
        self._pace = pace
        self._sent = 0
        self._begun = 0.0
        self.refusals: dict[str, int] = {}

    async def run(self, connections: int) -> None:
        """Return when all mails are acknowledged."""
        self._begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._send_all(random.Random(number)) for number in range(connections)))

    @property
    def acknowledged(self) -> int:
        """Mails that are done."""
        return self._sent

    async def _send_all(self, chance: random.Random) -> None:
        while self._todo:
            try:
                connection = await SmtpConnection.open(*self._server)
            except ConnectionEnded as error:
                self._note(str(error))
                await asyncio.sleep(chance.uniform(0.1, 0.6))
                continue
            connection.limit_seconds = REPLY_LIMIT_SECONDS
            await self._use(connection, chance)
            await connection.close()

    async def _use(self, connection: SmtpConnection, chance: random.Random) -> None:
        for _ in range(self._mails_per_connection):
            if not self._todo or not connection.open_:
                return
            await self._keep_pace()
            if self._todo:
                await self._attempt(connection, self._todo.popleft(), chance)

    async def _attempt(self, connection: SmtpConnection, mail: Mail, chance: random.Random) -> None:
        """One mail; recipients that were not taken stay to be sent."""
        number, octets = self._book.begin(mail)
        result = await connection.send(SENDER, mail.recipients, octets)
        mailboxes = mail.recipients if result.outcome is Outcome.UNKNOWN else result.accepted
        self._book.end(number, mailboxes, result.outcome)
        for refusal in result.refusals:
            self._note(f"{refusal.code} {refusal.text}")
        left = mail.recipients
        if result.outcome is Outcome.ACKNOWLEDGED:
            left = tuple(one for one in mail.recipients if one not in result.accepted)
        if left:
            self._todo.append(Mail(left, mail.size))
            if result.reply is not None and not result.reply.positive:
                self._note(f"{result.reply.code} {result.reply.text}")
            await asyncio.sleep(chance.uniform(0.05, 0.5))
        else:
            self._sent += 1

    async def _keep_pace(self) -> None:
        """Wait while as much has been done as the time that has passed allows."""
        loop = asyncio.get_running_loop()
        while self._todo and self._sent >= self._pace(loop.time() - self._begun):  # noqa: ASYNC110  # time passes
            await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, refusal: str) -> None:
        kind = refusal.split("\n", maxsplit=1)[0][:90]
        self.refusals[kind] = self.refusals.get(kind, 0) + 1
