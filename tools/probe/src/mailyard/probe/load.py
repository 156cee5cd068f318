"""Load: many mails over several connections at a fixed rate, bounded in number and time, and the reply to each.

Mail number n is due at n / rate seconds after the start, also when earlier mails wait for a reply: a slow server
gets as many, as from the Internet, until all connections wait.
"""

import itertools
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.policy import SMTP
from math import ceil

from mailyard.probe.mailserver import Login, MailServer
from mailyard.probe.message import compose
from mailyard.probe.roundtrip import open_smtp

LINE = "This line is one of many in a mail that only measures.\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, how fast, from whom, to whom; recipients take turns. A login is given to submission, not to an MX."""

    mails: int
    per_second: float
    connections: int
    seconds: float
    sender: str
    recipients: Sequence[str]
    octets: int
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to one mail: its code, 0 when the connection failed, and seconds from begin to reply."""

    code: int
    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """The replies to all mails, and the duration of the run."""

    answers: Sequence[Answer]
    planned: int
    seconds: float

    @property
    def accepted(self) -> int:
        """Mails that the server has taken."""
        return sum(answer.code == 250 for answer in self.answers)

    @property
    def refused(self) -> int:
        """Mails that the server refused, for now (4yz) or for ever (5yz)."""
        return sum(answer.code >= 400 for answer in self.answers)

    @property
    def failed(self) -> int:
        """Mails without a reply: the connection failed."""
        return sum(answer.code == 0 for answer in self.answers)

    @property
    def unsent(self) -> int:
        """Mails that were not begun before the time was over."""
        return self.planned - len(self.answers)

    def latency(self, share: float) -> float:
        """Seconds within which this share of the accepted mails was answered; 0 when none was."""
        taken = sorted(answer.seconds for answer in self.answers if answer.code == 250)
        return taken[max(0, ceil(share * len(taken)) - 1)] if taken else 0.0

    def reasons(self) -> list[tuple[str, int]]:
        """Return the replies to mails that were not accepted, most frequent first."""
        return Counter(answer.text for answer in self.answers if answer.code != 250).most_common()


class Load:
    """One run of a plan against one listener."""

    def __init__(self, server: MailServer, plan: Plan, now: Callable[[], datetime]) -> None:
        self._server = server
        self._plan = plan
        self._now = now
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def run(self) -> Report:
        """Send everything; return when all is answered or the time is over."""
        began = time.monotonic()
        with ThreadPoolExecutor(self._plan.connections) as pool:
            shares = [pool.submit(self._one_connection, began) for _ in range(self._plan.connections)]
            answers = [answer for share in shares for answer in share.result()]
        return Report(answers, self._plan.mails, time.monotonic() - began)

    def _one_connection(self, began: float) -> list[Answer]:
        line = _Line(self._server, self._plan.login)
        answers = [self._send(line, number) for number in self._due(began)]
        line.end()
        return answers

    def _due(self, began: float) -> Iterator[int]:
        """Numbers of the mails that this connection sends, each when it is due."""
        while True:
            with self._lock:
                number = next(self._numbers)
            at = began + number / self._plan.per_second
            if number >= self._plan.mails or max(at, time.monotonic()) > began + self._plan.seconds:
                return
            time.sleep(max(0.0, at - time.monotonic()))
            yield number

    def _send(self, line: "_Line", number: int) -> Answer:
        recipient = self._plan.recipients[number % len(self._plan.recipients)]
        text = LINE * max(1, self._plan.octets // len(LINE))
        message = compose(self._plan.sender, recipient, f"Load {number}", text, self._now())
        return line.send(self._plan.sender, recipient, message.as_bytes(policy=SMTP))


class _Line:
    """One connection, opened when it is needed and kept while it works."""

    def __init__(self, server: MailServer, login: Login | None) -> None:
        self._server = server
        self._login = login
        self._client: smtplib.SMTP | None = None

    def send(self, sender: str, recipient: str, octets: bytes) -> Answer:
        """Send one mail; an error of the server or the network is in the answer."""
        began = time.monotonic()
        try:
            code, text = self._transaction(sender, recipient, octets)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            code, text = getattr(error, "smtp_code", 0), str(error) or repr(error)
        return Answer(code, text, time.monotonic() - began)

    def end(self) -> None:
        """End the connection, if there is one."""
        if self._client is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._client.quit()
        self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _transaction(self, sender: str, recipient: str, octets: bytes) -> tuple[int, str]:
        client = self._opened()
        for code, text in (client.mail(sender), client.rcpt(recipient)):
            if code // 100 != 2:
                client.rset()
                return code, text.decode(errors="replace")
        code, text = client.data(octets)
        return code, text.decode(errors="replace")

    def _opened(self) -> smtplib.SMTP:
        if self._client is None:
            self._client = open_smtp(self._server)
            self._client.ehlo_or_helo_if_needed()
            if self._login is not None:
                self._client.login(self._login.address, self._login.password)
        return self._client
