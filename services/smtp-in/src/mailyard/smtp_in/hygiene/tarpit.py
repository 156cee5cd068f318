"""Tarpit: refusals of a client that gets many come late. A waiting reply is one timer, and their number is bounded."""

import time
from collections import deque

from mailyard.directory.cache import Monotonic
from mailyard.smtp.reply import Reply
from mailyard.smtp_in.hooks import SmtpContext, SmtpHook
from mailyard.smtp_in.hygiene.outcomes import HygieneOutcomes
from mailyard.smtp_in.hygiene.scope import HygieneScope

CHECK = "tarpit"


class Tarpit(SmtpHook):
    """Delays refusals after the first few of a connection."""

    def __init__(
        self, scope: HygieneScope, seconds: float, after: int, at_once: int, clock: Monotonic = time.monotonic
    ) -> None:
        """Delay by `seconds` from the refusal after the first `after` on; at most `at_once` replies wait."""
        self._scope = scope
        self._seconds = seconds
        self._after = after
        self._at_once = at_once
        self._clock = clock
        self._ends: deque[float] = deque()  # of the delays, in order because all are as long
        self._outcomes = HygieneOutcomes()

    def on_refused(self, context: SmtpContext, refusal: Reply) -> float:
        """Return how long the reply waits."""
        _ = refusal
        client = self._scope.client(context)
        if client is None:
            return 0.0
        client.refusals += 1
        if client.refusals <= self._after:
            return 0.0
        now = self._clock()
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        if len(self._ends) >= self._at_once:
            self._outcomes.count(context, CHECK, "skipped")
            return 0.0
        self._ends.append(now + self._seconds)
        self._outcomes.count(context, CHECK, "delayed")
        return self._seconds
