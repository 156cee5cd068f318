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


def exchange_lines(offered: frozenset[str], credentials: LoginCredentials) -> list[bytes]:
    """Return the AUTH command of the best mechanism on offer, then one response per challenge, whose text is ignored.

    The list is empty when the client knows none of the mechanisms.
    """
    if "PLAIN" in offered:
        return [b"AUTH PLAIN " + _line(f"\0{credentials.username}\0{credentials.password}")]
    if "LOGIN" in offered:
        return [b"AUTH LOGIN\r\n", _line(credentials.username), _line(credentials.password)]
    return []


def _line(text: str) -> bytes:
    return base64.b64encode(text.encode()) + b"\r\n"
