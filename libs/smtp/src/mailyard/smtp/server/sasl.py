"""AUTH PLAIN (RFC 4616) and AUTH LOGIN (draft-murchison-sasl-login) as exchanges: responses in, challenges out."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Protocol

from mailyard.smtp.reply import Reply
from mailyard.smtp.server.events import Credentials
from mailyard.smtp.server.replies import AUTH_CANCELLED, BAD_BASE64, BAD_CREDENTIALS


class SaslError(Exception):
    """The exchange ends without credentials; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Exchange(Protocol):
    """One run of one mechanism."""

    def step(self, response: bytes | None) -> Reply | Credentials:
        """The next challenge, or the credentials. `response` is decoded; None: there was no initial response."""


class Plain:
    """`message = [authzid] UTF8NUL authcid UTF8NUL passwd`: RFC 4616 section 2."""

    def step(self, response: bytes | None) -> Reply | Credentials:
        """All comes in one response."""
        if response is None:
            return _challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise SaslError(BAD_CREDENTIALS)
        authorization, login, password = map(_text, parts)
        return Credentials("PLAIN", login, password, authorization)


class Login:
    """User name, then password, each asked for."""

    def __init__(self) -> None:
        self._login: str | None = None

    def step(self, response: bytes | None) -> Reply | Credentials:
        """The first response is the login, the second the password."""
        if response is None:
            return _challenge(b"Username:")
        if self._login is None:
            self._login = _text(response)
            return _challenge(b"Password:")
        if not self._login or not response:
            raise SaslError(BAD_CREDENTIALS)
        return Credentials("LOGIN", self._login, _text(response))


MECHANISMS: Mapping[str, Callable[[], Exchange]] = {"PLAIN": Plain, "LOGIN": Login}


def decode_response(line: bytes) -> bytes:
    """A response line (RFC 4954 section 4): base64, or `*` to cancel. Raises SaslError."""
    if line == b"*":
        raise SaslError(AUTH_CANCELLED)
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        raise SaslError(BAD_BASE64) from None


def decode_initial_response(text: str) -> bytes | None:
    """The argument after the mechanism; `=` stands for an empty response (RFC 4954 section 4). Raises SaslError."""
    if not text:
        return None
    return b"" if text == "=" else decode_response(text.encode())


def _challenge(text: bytes) -> Reply:
    return Reply(334, None, (base64.b64encode(text).decode(),))


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise SaslError(BAD_CREDENTIALS) from None
