"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501, sections 6.3.1, 6.3.2 and 6.4.2; RFC 3691)."""

from mailyard.imap.commands.mailboxes import CloseCommand, ExamineCommand, SelectCommand, UnselectCommand
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, ok
from mailyard.imap.states import Transition
from mailyard.imap_server.handlers.transferring import remove_deleted
from mailyard.imap_server.session.selected import SelectedMailbox, SelectOptions
from mailyard.imap_server.session.session import ImapSession
from mailyard.runtime.logs import get_logger

_log = get_logger(__name__)


async def select(session: ImapSession, command: SelectCommand) -> Completion:
    """Execute SELECT."""
    await _open(session, command.mailbox, read_only=False)
    return ok("SELECT completed", "READ-WRITE")


async def examine(session: ImapSession, command: ExamineCommand) -> Completion:
    """Execute EXAMINE."""
    await _open(session, command.mailbox, read_only=True)
    return ok("EXAMINE completed", "READ-ONLY")


async def _open(session: ImapSession, name: str, *, read_only: bool) -> None:
    """Close the selected mailbox in any case (section 6.3.1), and open another."""
    await session.close_mailbox()
    mailbox = await session.backend.mailboxes.get(session.account, name)
    options = SelectOptions(read_only, session.origin, session.channel.wake)
    session.selected = await SelectedMailbox.open(session.backend, mailbox, options)
    session.connection.change_state(Transition.OPENED)
    _describe(session, session.selected)


def _describe(session: ImapSession, selected: SelectedMailbox) -> None:
    view, mailbox = selected.view, selected.mailbox
    if view.keywords_left_out:
        _log.warning("imap.keywords_left_out", account=str(session.account), mailbox=str(mailbox.id))
    session.write_flags(view.keywords)
    session.write(responses.exists(len(view)) + responses.recent(view.recent_count()))
    unseen = view.first_unseen()
    if unseen is not None:
        session.write(responses.untagged(ok("First unseen message", f"UNSEEN {unseen + 1}")))
    session.write(responses.untagged(ok("UIDs are valid", f"UIDVALIDITY {mailbox.uid_validity}")))
    session.write(responses.untagged(ok("Predicted next UID", f"UIDNEXT {mailbox.uid_next}")))


async def close(session: ImapSession, _: CloseCommand) -> Completion:
    r"""Execute CLOSE: expunge without EXPUNGE responses, unless the mailbox was opened by EXAMINE."""
    if not session.selection.read_only:
        await remove_deleted(session)
    await session.close_mailbox()
    return ok("CLOSE completed")


async def unselect(session: ImapSession, _: UnselectCommand) -> Completion:
    """Execute UNSELECT: close the mailbox without expunge."""
    await session.close_mailbox()
    return ok("UNSELECT completed")
