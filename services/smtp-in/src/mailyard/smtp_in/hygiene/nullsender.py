"""The check of null senders (RFC 5321, section 4.5.5): an address that never sends gets no true bounce."""

from mailyard.smtp.reply import reply
from mailyard.smtp_in.hygiene.checks import RecipientCheck, RecipientQuestion
from mailyard.smtp_in.hygiene.concern import Concern

_REFUSAL = reply(550, "5.7.1", "This address sends no mail, so it takes no bounces")
_ALL = "*"


class NullSenderCheck(RecipientCheck):
    """Objects to bounces to addresses that the policy of their domain names in `never_sends`."""

    name = "null_sender"

    def judge_recipient(self, question: RecipientQuestion) -> Concern | None:
        """Judge one recipient; postmaster and abuse get bounces in any case."""
        named = question.policy.never_sends
        if not named or question.context.transaction.sender:
            return None
        local = question.recipient.local.lower()
        if local in ("postmaster", "abuse") or not (_ALL in named or local in named):
            return None
        return Concern("never-sends", f"{question.recipient} never sends", _REFUSAL)
