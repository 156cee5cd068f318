"""The mail canary: one mail to itself, and one out to an echo and back, each looked for in its own INBOX.

The leg `local` proves submission, router, filter, delivery and IMAP; the leg `echo` also proves relay, another host and
the MX listener.
"""

import imaplib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mailyard.probe.mailserver import Login, MailServer
from mailyard.probe.message import compose
from mailyard.probe.roundtrip import MailLost, Roundtrip, open_imap, remove, search
from mailyard.runtime.clock import Clock, now_utc

LOCAL: Final = "local"
ECHO: Final = "echo"
SUBJECT: Final = "Mailyard canary"
_TEXT: Final = "This mail shows that mail comes through. It is deleted when it has arrived.\n"
_KEEP: Final = timedelta(days=1)  # what arrives after its run gave it up is deleted by a run of another day


@dataclass(frozen=True, slots=True)
class Leg:
    """One round trip: its name and its recipient."""

    name: str
    recipient: str


@dataclass(frozen=True, slots=True)
class LegResult:
    """The result of a leg; `text` is the error."""

    leg: str
    succeeded: bool
    seconds: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Canary:
    """The canary's account, and the servers for submission and IMAP."""

    submission: MailServer
    imap: MailServer
    login: Login
    timeout_seconds: float
    clock: Clock = now_utc

    def run(self, echo: str | None) -> Iterator[LegResult]:
        """Do one leg after the other, then delete mails that came after an earlier run had ended."""
        legs = [Leg(LOCAL, self.login.address), *([Leg(ECHO, echo)] if echo else [])]
        for leg in legs:
            yield self._leg(leg)
        self._tidy()

    def _leg(self, leg: Leg) -> LegResult:
        message = compose(self.login.address, leg.recipient, f"{SUBJECT}: {leg.name}", _TEXT, self.clock())
        way = Roundtrip(self.submission, self.login, self.imap, self.login)
        began = time.monotonic()
        try:
            sent = way.pass_through(message, self.timeout_seconds, delete=True)
        except MailLost as error:
            return LegResult(leg.name, False, time.monotonic() - began, str(error))
        return LegResult(leg.name, True, sent.seconds)

    def _tidy(self) -> None:
        """Delete old mails; an error here does not change the result, which is reported already."""
        try:
            with open_imap(self.imap) as client:
                client.login(self.login.address, self.login.password)
                client.select("INBOX")
                late = search(client, "SUBJECT", f'"{SUBJECT}: "', "BEFORE", _imap_date(self.clock() - _KEEP))
                if late:
                    remove(client, late)
        except (OSError, imaplib.IMAP4.error):
            return


def _imap_date(moment: datetime) -> str:
    """RFC 3501: English month names, whatever the locale."""
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year}"


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
