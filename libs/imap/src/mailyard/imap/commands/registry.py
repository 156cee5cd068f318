"""The table of parsers by verb, and the parser of a command behind its tag."""

import re

from mailyard.imap.commands import (
    append,
    authentication,
    fetch,
    listing,
    mailboxes,
    search,
    session,
    store,
    transfer,
)
from mailyard.imap.commands.command import ImapCommand, Parser, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.syntax import end, space

_PARSERS: Parsers = {
    **session.PARSERS,
    **authentication.PARSERS,
    **mailboxes.PARSERS,
    **listing.PARSERS,
    **fetch.PARSERS,
    **store.PARSERS,
    **search.PARSERS,
    **transfer.PARSERS,
    **append.PARSERS,
}
_UID_PARSERS: Parsers = {
    **fetch.UID_PARSERS,
    **store.UID_PARSERS,
    **search.UID_PARSERS,
    **transfer.UID_PARSERS,
}
_VERB = re.compile(rb"[A-Za-z][A-Za-z0-9-]*")


def verb(cursor: Cursor) -> bytes:
    """Read the verb of a command; return it in upper case."""
    return cursor.require(_VERB, "a command").upper()


def command(cursor: Cursor) -> ImapCommand:
    """Parse a command behind its tag; APPEND is parsed while its message arrives."""
    parsed = _parser(cursor)(cursor)
    end(cursor)
    return parsed


def _parser(cursor: Cursor) -> Parser:
    name, parsers = verb(cursor), _PARSERS
    if name == b"UID":
        space(cursor)
        name, parsers = verb(cursor), _UID_PARSERS
    if name not in parsers:
        raise CommandSyntaxError(f"There is no command {name.decode('ascii')} here")
    return parsers[name]
