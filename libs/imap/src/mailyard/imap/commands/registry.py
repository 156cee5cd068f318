"""The parser of whole commands: tag, verb, and then whatever the verb's own module says."""

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
    """The name of a command, in upper case."""
    return cursor.require(_VERB, "a command").upper()


def command(cursor: Cursor) -> ImapCommand:
    """What follows the tag and its space, up to the end of the command (APPEND is parsed as it arrives)."""
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
