"""The mechanisms: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login)."""

from collections.abc import Mapping
from typing import ClassVar

from mailyard.sasl.mechanism import Challenge, Mechanism, PasswordCredentials, SaslError, SaslFailure


class Plain(Mechanism):
    """`message = [authzid] UTF8NUL authcid UTF8NUL passwd`: RFC 4616 section 2."""

    name: ClassVar[str] = "PLAIN"

    def step(self, response: bytes | None) -> Challenge | PasswordCredentials:
        """Take the one response that there is; ask for it with an empty challenge."""
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise _malformed("PLAIN wants an identity, a name and a password, separated by NUL")
        authorization, login, password = map(_text, parts)
        return _credentials(self.name, login, password, authorization)


class Login(Mechanism):
    """The login name, then the password, each asked for."""

    name: ClassVar[str] = "LOGIN"

    def __init__(self) -> None:
        self._login: str | None = None

    def step(self, response: bytes | None) -> Challenge | PasswordCredentials:
        """Take the login name first and the password second."""
        if response is None:
            return Challenge(b"Username:")
        if self._login is None:
            self._login = _text(response)
            return Challenge(b"Password:")
        return _credentials(self.name, self._login, _text(response))


MECHANISMS: Mapping[str, type[Mechanism]] = {each.name: each for each in (Plain, Login)}
"""By the name that the client writes, in upper case."""


def _credentials(mechanism: str, login: str, password: str, authorization: str = "") -> PasswordCredentials:
    if not login or not password:
        raise _malformed("Name and password may not be empty")
    return PasswordCredentials(mechanism, login, password, authorization=authorization)


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _malformed("Name and password are not UTF-8") from None


def _malformed(text: str) -> SaslError:
    return SaslError(SaslFailure.MALFORMED, text)
