"""The SMTP and LMTP client core: `SmtpClient` and the values that it takes and gives."""

from mailyard.smtp.client.authentication import LoginCredentials
from mailyard.smtp.client.client import SmtpClient
from mailyard.smtp.client.envelope import EightBit, EnvelopeRecipient, TransactionEnvelope
from mailyard.smtp.client.events import (
    BodyWanted,
    Done,
    Event,
    Lost,
    Ready,
    RecipientResult,
    SessionRefused,
    StartTls,
)
from mailyard.smtp.client.options import Dialect, Options, Security
from mailyard.smtp.client.states import ClientState, Step

__all__ = [
    "BodyWanted",
    "ClientState",
    "Dialect",
    "Done",
    "EightBit",
    "EnvelopeRecipient",
    "Event",
    "LoginCredentials",
    "Lost",
    "Options",
    "Ready",
    "RecipientResult",
    "Security",
    "SessionRefused",
    "SmtpClient",
    "StartTls",
    "Step",
    "TransactionEnvelope",
]
