"""SASL mechanisms without I/O (RFC 4422): each takes the client's answers until it has what is to be checked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class SaslError(Exception):
    """An answer that the mechanism does not allow."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and the password that shall prove it."""

    login: str
    password: str = field(repr=False)


class Mechanism(Protocol):
    """One authentication exchange."""

    def respond(self, answer: bytes) -> bytes | Credentials:
        """Take the client's answer; give the next challenge, or what is to be checked."""


class Plain:
    """PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd, in UTF-8."""

    def respond(self, answer: bytes) -> Credentials:
        """The one answer that there is. Acting for another user is not possible."""
        parts = answer.split(b"\x00")
        if len(parts) != 3:
            raise SaslError("PLAIN wants an identity, a name and a password, separated by NUL")
        try:
            identity, login, password = (part.decode("utf-8") for part in parts)
        except UnicodeDecodeError as error:
            raise SaslError("Name and password are not UTF-8") from error
        if not login or not password:
            raise SaslError("Name and password may not be empty")
        if identity not in {"", login}:
            raise SaslError("Acting for another user is not possible")
        return Credentials(login, password)


MECHANISMS: dict[str, Callable[[], Mechanism]] = {"PLAIN": Plain}
