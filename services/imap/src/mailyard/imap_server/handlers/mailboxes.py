"""STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501, section 6.3)."""

from mailyard.imap.commands.mailboxes import (
    Create,
    Delete,
    Rename,
    Status,
    StatusItem,
    Subscribe,
    Unsubscribe,
)
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, ok
from mailyard.imap_server.session.session import Session
from mailyard.mailbox.model import Mailbox


async def status(session: Session, command: Status) -> Completion:
    """STATUS, from the counters of the mailbox' row."""
    mailbox = await session.doors.mailboxes.get(session.account, command.mailbox)
    values = [(item.value, await _value(session, mailbox, item)) for item in command.items]
    session.write(responses.mailbox_status(command.mailbox, values))
    return ok("STATUS completed")


async def _value(session: Session, mailbox: Mailbox, item: StatusItem) -> int:
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
            return await session.doors.messages.count_from(mailbox, mailbox.recent_from)


async def create(session: Session, command: Create) -> Completion:
    """CREATE; a separator at the end only says that mailboxes below it will follow."""
    await session.doors.mailboxes.create(session.account, command.mailbox, command.special_use)
    return ok("CREATE completed")


async def delete(session: Session, command: Delete) -> Completion:
    """DELETE; a session that deletes what it has selected has nothing selected afterwards."""
    selected = session.selected
    doomed = await session.doors.mailboxes.get(session.account, command.mailbox)
    await session.doors.mailboxes.delete(session.account, command.mailbox)
    if selected is not None and selected.mailbox.id == doomed.id:
        await session.leave()
    return ok("DELETE completed")


async def rename(session: Session, command: Rename) -> Completion:
    """RENAME."""
    await session.doors.mailboxes.rename(session.account, command.old, command.new)
    return ok("RENAME completed")


async def subscribe(session: Session, command: Subscribe) -> Completion:
    """SUBSCRIBE; the name must be a mailbox's or stand above one, as section 6.3.6 permits to demand."""
    await session.doors.mailboxes.subscribe(session.account, command.mailbox, True)
    return ok("SUBSCRIBE completed")


async def unsubscribe(session: Session, command: Unsubscribe) -> Completion:
    """UNSUBSCRIBE; the name needs no mailbox: DELETE leaves the subscription (section 6.3.6)."""
    await session.doors.mailboxes.subscribe(session.account, command.mailbox, False)
    return ok("UNSUBSCRIBE completed")
