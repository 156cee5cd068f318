"""The contract of a SASL mechanism (RFC 4422), server side.

    mechanism = Plain()
    outcome = mechanism.step(None)          no initial response: the mechanism gives a challenge
    outcome = mechanism.step(response)      the next challenge, or what the caller verifies

An object is one exchange: it keeps the state between two responses, and is not used again. `step` returns a
`Challenge` to send, or `Credentials` to verify. Each kind of proof is a class of its own under `Credentials`, so a new
mechanism is a class here, a kind of credentials where none fits, and an entry in `mechanisms.MECHANISMS`:

* EXTERNAL (RFC 4422 appendix A): credentials without a secret; the caller compares them with the client certificate.
* OAUTHBEARER (RFC 7628), XOAUTH2: credentials with a token. After a refusal, a further `step` gives the error challenge.
* SCRAM (RFC 5802): the first step gives credentials that ask for stored keys; the caller supplies the keys to the
  mechanism and steps on; the server's signature is the last challenge.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar


class SaslFailure(Enum):
    """Why an exchange ended without credentials."""

    CANCELLED = auto()  # the client sent "*"
    NOT_BASE64 = auto()
    MALFORMED = auto()  # the response is not what the mechanism defines


class SaslError(Exception):
    """The exchange ends without credentials. The text may be shown to the client: it holds nothing that it sent."""

    def __init__(self, failure: SaslFailure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Challenge:
    """Octets for the client, before base64; its response goes to the next `step`."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the caller verifies. `authorization` is whom the client wants to act as; empty: the login itself."""

    mechanism: str
    authorization: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class PasswordCredentials(Credentials):
    """A login and the password that proves it; neither is empty."""

    login: str
    password: str = field(repr=False)


class Mechanism(ABC):
    """One exchange of one mechanism."""

    name: ClassVar[str]

    @abstractmethod
    def step(self, response: bytes | None) -> Challenge | Credentials:
        """Take the client's response, decoded; None: there was no initial response.

        Raises:
            SaslError: the response is malformed; the exchange is over.

        """
