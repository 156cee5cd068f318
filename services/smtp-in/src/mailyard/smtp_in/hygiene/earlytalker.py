"""Early talkers: clients that do not wait for the greeting (RFC 5321, section 4.3.1), as many spam programs do not."""

from mailyard.smtp.reply import reply
from mailyard.smtp_in.hygiene.checks import RecipientCheck, RecipientQuestion
from mailyard.smtp_in.hygiene.concern import Concern
from mailyard.smtp_in.hygiene.networks import Networks, is_within

_CONCERN = Concern(
    "before-greeting",
    "the client spoke before it was greeted",
    reply(550, "5.5.0", "The client spoke before it was greeted (RFC 5321 section 4.3.1)"),
)


class EarlyTalkerCheck(RecipientCheck):
    """Objects to clients that spoke before the greeting."""

    name = "early_talker"

    def judge_recipient(self, question: RecipientQuestion) -> Concern | None:
        """Judge the client of a recipient."""
        return _CONCERN if question.context.spoke_early else None


class GreetingDelay:
    """Says how long a client waits for its greeting."""

    def __init__(self, seconds: float, trusted: Networks) -> None:
        """Let clients wait, but not those of `trusted` networks."""
        self._seconds = seconds
        self._trusted = trusted

    def __call__(self, ip: str) -> float:
        """Return the seconds for an address."""
        return 0.0 if is_within(ip, self._trusted) else self._seconds
