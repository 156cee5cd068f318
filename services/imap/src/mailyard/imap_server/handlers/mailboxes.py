"""STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501, section 6.3)."""

from mailyard.imap.commands.mailboxes import (
    CreateCommand,
    DeleteCommand,
    RenameCommand,
    StatusCommand,
    StatusItem,
    SubscribeCommand,
    UnsubscribeCommand,
)
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, ok
from mailyard.imap_server.session.session import ImapSession
from mailyard.mailbox.model import Mailbox


async def status(session: ImapSession, command: StatusCommand) -> Completion:
    """Execute STATUS, from the counters of the mailbox row."""
    mailbox = await session.backend.mailboxes.get(session.account, command.mailbox)
    values = [(item.value, await _value(session, mailbox, item)) for item in command.items]
    session.write(responses.mailbox_status(command.mailbox, values))
    return ok("STATUS completed")


async def _value(session: ImapSession, mailbox: Mailbox, item: StatusItem) -> int:
    match item:
        case StatusItem.MESSAGES:
            return mailbox.total
        case StatusItem.UIDNEXT:
            return mailbox.uid_next
        case StatusItem.UIDVALIDITY:
            return mailbox.uid_validity
        case StatusItem.UNSEEN:
            return mailbox.unseen
        case StatusItem.RECENT:
            if mailbox.recent_from >= mailbox.uid_next:
                return 0
            return await session.backend.messages.count_from(mailbox, mailbox.recent_from)


async def create(session: ImapSession, command: CreateCommand) -> Completion:
    """Execute CREATE; a separator at the end is ignored (section 6.3.3)."""
    await session.backend.mailboxes.create(session.account, command.mailbox, command.special_use)
    return ok("CREATE completed")


async def delete(session: ImapSession, command: DeleteCommand) -> Completion:
    """Execute DELETE; a session that deletes its selected mailbox has none selected afterwards."""
    selected = session.selected
    target = await session.backend.mailboxes.get(session.account, command.mailbox)
    await session.backend.mailboxes.delete(session.account, command.mailbox)
    if selected is not None and selected.mailbox.id == target.id:
        await session.close_mailbox()
    return ok("DELETE completed")


async def rename(session: ImapSession, command: RenameCommand) -> Completion:
    """Execute RENAME."""
    await session.backend.mailboxes.rename(session.account, command.old, command.new)
    return ok("RENAME completed")


async def subscribe(session: ImapSession, command: SubscribeCommand) -> Completion:
    """Execute SUBSCRIBE; the name must be that of a mailbox or of a level above one (section 6.3.6)."""
    await session.backend.mailboxes.subscribe(session.account, command.mailbox, True)
    return ok("SUBSCRIBE completed")


async def unsubscribe(session: ImapSession, command: UnsubscribeCommand) -> Completion:
    """Execute UNSUBSCRIBE; the name needs no mailbox, because DELETE keeps the subscription (section 6.3.6)."""
    await session.backend.mailboxes.subscribe(session.account, command.mailbox, False)
    return ok("UNSUBSCRIBE completed")
