"""The SMTP and LMTP client core: `Client` and the values that it takes and gives."""

from mailyard.smtp.client.authentication import Credentials
from mailyard.smtp.client.client import Client
from mailyard.smtp.client.envelope import EightBit, Envelope, EnvelopeRecipient
from mailyard.smtp.client.events import BodyWanted, Done, Event, Lost, Outcome, Ready, Refused, StartTls
from mailyard.smtp.client.extensions import Extensions
from mailyard.smtp.client.options import Dialect, Options, Security
from mailyard.smtp.client.states import State, Step
from mailyard.smtp.misuse import MisuseError

__all__ = [
    "BodyWanted",
    "Client",
    "Credentials",
    "Dialect",
    "Done",
    "EightBit",
    "Envelope",
    "EnvelopeRecipient",
    "Event",
    "Extensions",
    "Lost",
    "MisuseError",
    "Options",
    "Outcome",
    "Ready",
    "Refused",
    "Security",
    "StartTls",
    "State",
    "Step",
]
