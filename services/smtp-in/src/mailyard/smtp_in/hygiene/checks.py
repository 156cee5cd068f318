"""The contract of checks: code that objects to a recipient of one message, or to the client that names it.

What a check knows at once it returns at once; else it returns an awaitable of the same. A check that cannot find out has no
concern: an outage of the DNS or of the store refuses no mail.
"""

from collections.abc import Awaitable
from dataclasses import dataclass

from mailyard.directory.model import Resolution
from mailyard.directory.policy import DomainPolicy
from mailyard.message.address import Address
from mailyard.smtp_in.hooks import SmtpContext
from mailyard.smtp_in.hygiene.concern import Concern, JudgedClient

Judgement = Concern | None | Awaitable[Concern | None]


@dataclass(frozen=True, slots=True)
class RecipientQuestion:
    """One recipient, with the policy of its domain."""

    context: SmtpContext
    client: JudgedClient
    recipient: Address
    resolution: Resolution
    policy: DomainPolicy


class ClientCheck:
    """A check of the client; asked once for each connection, or for each name that the client says.

    `name` is the name of its setting, of its policy field and of its metric's label.
    """

    name = ""
    depends_on_helo = False

    def judge_client(self, context: SmtpContext, client: JudgedClient) -> Judgement:
        """Judge the client."""
        raise NotImplementedError


class RecipientCheck:
    """A check of each recipient; asked where no check of the client has refused."""

    name = ""

    def judge_recipient(self, question: RecipientQuestion) -> Judgement:
        """Judge the recipient."""
        raise NotImplementedError
