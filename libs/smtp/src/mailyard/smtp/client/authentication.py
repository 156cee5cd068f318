"""AUTH on the client's side: PLAIN (RFC 4616) and LOGIN, which is what smart hosts ask for (RFC 4954)."""

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoginCredentials:
    """The login at a smart host. The password is in no representation."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if "\0" in self.username or "\0" in self.password:
            raise ValueError("NUL in credentials")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One AUTH dialogue: the command, then one response per challenge. The texts of challenges are ignored."""

    command: bytes
    responses: tuple[bytes, ...] = ()


def exchange_for(offered: frozenset[str], credentials: LoginCredentials) -> Exchange | None:
    """Return the dialogue of the best mechanism on offer; None when the client knows none of them."""
    if "PLAIN" in offered:
        message = f"\0{credentials.username}\0{credentials.password}"
        return Exchange(b"AUTH PLAIN " + _base64(message) + b"\r\n")
    if "LOGIN" in offered:
        lines = (_base64(credentials.username) + b"\r\n", _base64(credentials.password) + b"\r\n")
        return Exchange(b"AUTH LOGIN\r\n", lines)
    return None


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())
