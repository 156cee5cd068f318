"""The replies of one transaction, gathered until each recipient has its outcome."""

from mailyard.smtp.client.envelope import TransactionEnvelope
from mailyard.smtp.client.events import RecipientResult
from mailyard.smtp.client.states import Step
from mailyard.smtp.reply import Reply


class Transaction:
    """The recipients that were accepted, and those that have their final reply."""

    def __init__(self, envelope: TransactionEnvelope) -> None:
        self.envelope = envelope
        self._outcomes: list[RecipientResult | None] = [None] * len(envelope.recipients)
        self._asked = 0  # replies to RCPT so far
        self._answered = 0  # final replies so far, LMTP

    @property
    def open(self) -> list[int]:
        """The recipients without an outcome."""
        return [index for index, outcome in enumerate(self._outcomes) if outcome is None]

    @property
    def settled(self) -> bool:
        """Whether every recipient has its outcome."""
        return None not in self._outcomes

    @property
    def outcomes(self) -> tuple[RecipientResult, ...]:
        """The outcomes, one per recipient; only when settled."""
        return tuple(outcome for outcome in self._outcomes if outcome is not None)

    def recipient_replied(self, reply: Reply) -> None:
        """Take the next reply to RCPT, in order. A positive one leaves the recipient open."""
        if not reply.is_positive and self._outcomes[self._asked] is None:
            self._outcomes[self._asked] = RecipientResult(Step.RCPT, reply)
        self._asked += 1

    def recipient_finished(self, reply: Reply) -> None:
        """Take the next final reply of LMTP: one for each accepted recipient, in order (RFC 2033 section 4.2)."""
        if not self.settled:
            self._outcomes[self.open[0]] = RecipientResult(Step.END, reply)

    def settle(self, outcome: RecipientResult) -> None:
        """Give one reply to all recipients without an outcome."""
        for index in self.open:
            self._outcomes[index] = outcome
