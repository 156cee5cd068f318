"""LIST, LSUB and NAMESPACE (RFC 3501, sections 6.3.8 and 6.3.9; RFC 2342; RFC 3348; RFC 6154)."""

from collections.abc import AsyncIterator, Iterable

from mailyard.imap.commands.listing import ListCommand, LsubCommand, PatternCommand
from mailyard.imap.commands.mailboxes import NamespaceCommand
from mailyard.imap.grammar.patterns import matches, simplified
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, ok
from mailyard.imap.wellknown import SEPARATOR
from mailyard.imap_server.session.session import ImapSession
from mailyard.mailbox.model import Mailbox

_NAMES_AT_A_TIME = 50


async def list_mailboxes(session: ImapSession, command: ListCommand) -> Completion:
    """Execute LIST: the mailboxes that match, and the levels above mailboxes that are not mailboxes themselves."""
    if not command.pattern:  # only the separator is asked for (section 6.3.8)
        session.write(responses.mailbox_line("LIST", ("\\Noselect",), ""))
        return ok("LIST completed")
    mailboxes = {mailbox.name: mailbox for mailbox in await session.backend.mailboxes.list(session.account)}
    parents = _parents(mailboxes)
    async for name in _matching(session, mailboxes.keys() | parents, command):
        attributes = _attributes(mailboxes.get(name), has_children=name in parents)
        session.write(responses.mailbox_line("LIST", attributes, name))
    return ok("LIST completed")


async def list_subscribed(session: ImapSession, command: LsubCommand) -> Completion:
    r"""Execute LSUB: the subscribed names, with or without a mailbox (section 6.3.9).

    A level above that only matches because of "%" is \Noselect, whether there is a mailbox of that name or not.
    """
    subscribed = await session.backend.mailboxes.subscriptions(session.account)
    pattern = command.reference + command.pattern
    parents = _parents(subscribed) if pattern.endswith("%") else set()
    async for name in _matching(session, subscribed | parents, command):
        attributes = () if name in subscribed else ("\\Noselect",)
        session.write(responses.mailbox_line("LSUB", attributes, name))
    return ok("LSUB completed")


async def _matching(
    session: ImapSession, names: Iterable[str], command: PatternCommand
) -> AsyncIterator[str]:
    """Give the names that match, sorted; other sessions have their turn between batches."""
    pattern = simplified(command.reference + command.pattern)
    for number, name in enumerate(sorted(names), start=1):
        if matches(pattern, name, SEPARATOR):
            yield name
        if number % _NAMES_AT_A_TIME == 0:
            await session.drain()


async def namespace(session: ImapSession, _: NamespaceCommand) -> Completion:
    """Execute NAMESPACE: there are personal mailboxes only."""
    session.write(responses.namespace())
    return ok("NAMESPACE completed")


def _parents(names: Iterable[str]) -> set[str]:
    """Return every level above a name."""
    found: set[str] = set()
    for name in names:
        above = name.rpartition(SEPARATOR)[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition(SEPARATOR)[0]
    return found


def _attributes(mailbox: Mailbox | None, *, has_children: bool) -> tuple[str, ...]:
    children = "\\HasChildren" if has_children else "\\HasNoChildren"
    if mailbox is None:
        return ("\\Noselect", children)
    return (children, mailbox.special_use) if mailbox.special_use else (children,)
