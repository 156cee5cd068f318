"""LOGIN and AUTHENTICATE (RFC 3501, sections 6.2.2 and 6.2.3; initial response: RFC 4959)."""

import re
from dataclasses import dataclass, field

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import Cursor
from mailyard.imap.grammar.syntax import astring, atom, skip_spaces, space
from mailyard.imap.states import BEFORE_LOGIN

_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}|=")


@dataclass(frozen=True, slots=True)
class LoginCommand(ImapCommand, verb="LOGIN", states=BEFORE_LOGIN):
    """LOGIN: name and password as the client sent them."""

    username: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthenticateCommand(ImapCommand, verb="AUTHENTICATE", states=BEFORE_LOGIN):
    """AUTHENTICATE: the mechanism, and the initial response as base64 when one was sent ("=" is empty)."""

    mechanism: str
    initial_response: bytes | None = field(default=None, repr=False)


def _login(cursor: Cursor) -> LoginCommand:
    space(cursor)
    username = astring(cursor)
    space(cursor)
    return LoginCommand(username, astring(cursor))


def _authenticate(cursor: Cursor) -> AuthenticateCommand:
    space(cursor)
    mechanism = atom(cursor).decode("ascii").upper()
    if not skip_spaces(cursor) or cursor.at_end:
        return AuthenticateCommand(mechanism)
    return AuthenticateCommand(mechanism, cursor.require(_BASE64, "an initial response in base64"))


PARSERS: Parsers = {b"LOGIN": _login, b"AUTHENTICATE": _authenticate}
