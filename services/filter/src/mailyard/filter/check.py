"""The contract of a check: one way of looking at mail, named in findings, metrics and traces."""

from collections.abc import Sequence
from typing import Protocol

from mailyard.filter.mail import Envelope, Mail, Need
from mailyard.filter.verdict import Finding


class Check(Protocol):
    """A check of the pipeline: content rules now; virus and spam engines have the same shape."""

    @property
    def name(self) -> str:
        """Its name in findings and metrics."""

    def needs(self, envelope: Envelope) -> Need:
        """How much of a message it must see. Asked before bodies are read, for every message: be quick."""

    async def inspect(self, batch: Sequence[Mail]) -> Sequence[Sequence[Finding]]:
        """Look at messages; the findings of each, in the same order.

        Raises:
            Unavailable: an engine is away; the batch is inspected again later.

        """
