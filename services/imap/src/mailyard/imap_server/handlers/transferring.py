"""COPY, MOVE, EXPUNGE, by number and by UID (RFC 3501, section 6.4; RFC 6851; RFC 4315)."""

import contextlib
from collections.abc import Iterator, Sequence

from mailyard.imap.commands.transfer import CopyCommand, ExpungeCommand, MoveCommand, TransferCommand
from mailyard.imap.grammar.sequences import SequenceSet, compact
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, no, ok
from mailyard.imap.wellknown import DELETED, FlagChange
from mailyard.imap_server.handlers.messagesets import resolve
from mailyard.imap_server.handlers.storing import AT_A_TIME, READ_ONLY
from mailyard.imap_server.session.session import ImapSession
from mailyard.mailbox.errors import MailboxError, MailboxNotFound
from mailyard.mailbox.model import CopyResult, Mailbox
from mailyard.runtime.errors import Unavailable

TRY_CREATE = no("There is no such mailbox to put it in", "TRYCREATE")
GONE = no("Some messages no longer exist", "EXPUNGEISSUED")


async def copy(session: ImapSession, command: CopyCommand) -> Completion:
    """Execute COPY within the quota; the response code COPYUID has the new UIDs (RFC 4315, section 3).

    Atomic: all messages are copied, or none. If another session has removed one of them, the result is NO (RFC 2180,
    section 4.4.1).
    """
    uids = _uids(session, command)
    target = await _target(session, command.mailbox)
    if target is None:
        return TRY_CREATE
    if uids is None:
        return GONE
    if not uids:
        return ok("COPY completed, there was nothing to copy")
    session.selection.expect_changes()
    results: list[CopyResult] = []
    quota = await session.quota()
    keywords = await _keywords(session, command, target)
    try:
        for portion in _portions(uids):
            source = session.selection.mailbox
            results.append(
                await session.backend.messages.copy(
                    source, portion, target, session.origin, quota=quota, keywords=keywords
                )
            )
    except (MailboxError, Unavailable):
        await _undo(session, target, results)
        raise
    if _copied(results) < len(uids):
        await _undo(session, target, results)
        return GONE
    return ok("COPY completed", _copyuid(results))


async def _undo(session: ImapSession, target: Mailbox, results: Sequence[CopyResult]) -> None:
    """Remove the copies that were made before one failed (RFC 3501, section 6.4.7)."""
    messages = session.backend.messages
    with contextlib.suppress(MailboxError, Unavailable):
        for result in results:
            uids = result.target_uids
            await messages.store(target, uids, FlagChange.ADD, frozenset({DELETED}), origin=session.origin)
            await messages.expunge(target, uids, session.origin)


async def move(session: ImapSession, command: MoveCommand) -> Completion:
    """Execute MOVE; the new UIDs are sent before the EXPUNGE responses (RFC 6851, section 4.3).

    Each message is in one of the mailboxes, whatever fails; messages that were moved stay moved. If another session has
    removed a message, the result is NO. Both mailboxes belong to the account, so MOVE is not limited by the quota
    (RFC 9208, section 5.1).
    """
    if session.selection.read_only:
        return READ_ONLY
    uids = _uids(session, command)
    target = await _target(session, command.mailbox)
    if target is None:
        return TRY_CREATE
    if uids is None:
        return GONE
    if not uids:
        return ok("MOVE completed, there was nothing to move")
    session.selection.expect_changes()
    results: list[CopyResult] = []
    keywords = await _keywords(session, command, target)
    try:
        for portion in _portions(uids):
            source = session.selection.mailbox
            results.append(
                await session.backend.messages.move(
                    source, portion, target, session.origin, keywords=keywords
                )
            )
    finally:
        if code := _copyuid(results):
            session.write(responses.untagged(ok("Moved", code)))
    return ok("MOVE completed") if _copied(results) == len(uids) else GONE


def _uids(session: ImapSession, command: TransferCommand) -> list[int] | None:
    """Return the UIDs of the messages; None where one is known to be removed."""
    view = session.selection.view
    indexes = resolve(view, command.numbers, by_uid=command.by_uid)
    uids = [view.uid(index) for span in indexes for index in span]
    return None if view.have_vanished(uids) else uids


async def _keywords(session: ImapSession, command: TransferCommand, target: Mailbox) -> frozenset[str] | None:
    """Return the keywords that the messages keep in the other mailbox; None: all."""
    view = session.selection.view
    theirs = view.keywords_of(resolve(view, command.numbers, by_uid=command.by_uid))
    kept = await session.accepted_keywords(target, theirs)
    return None if kept == theirs and not view.keywords_left_out else kept


def _copied(results: Sequence[CopyResult]) -> int:
    return sum(len(result.source_uids) for result in results)


def _portions(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Give UIDs in batches of one transaction each: a long transaction delays other writers of the mailboxes."""
    for start in range(0, len(uids), AT_A_TIME):
        yield uids[start : start + AT_A_TIME]


async def _target(session: ImapSession, name: str) -> Mailbox | None:
    try:
        return await session.backend.mailboxes.get(session.account, name)
    except MailboxNotFound:
        return None


def _copyuid(results: Sequence[CopyResult]) -> str:
    source = [uid for result in results for uid in result.source_uids]
    target = [uid for result in results for uid in result.target_uids]
    if not source:
        return ""
    return f"COPYUID {results[0].uid_validity} {compact(source).decode('ascii')} {compact(target).decode('ascii')}"


async def expunge(session: ImapSession, command: ExpungeCommand) -> Completion:
    """Execute EXPUNGE, or UID EXPUNGE of some messages; the EXPUNGE responses come with the mailbox updates."""
    if session.selection.read_only:
        return READ_ONLY
    await remove_deleted(session, command.uids)
    return ok("EXPUNGE completed")


async def remove_deleted(session: ImapSession, uids: SequenceSet | None = None) -> None:
    r"""Remove the messages with \Deleted, or those of them that have these UIDs."""
    await session.refresh(force=True)
    selected = session.selection
    view = selected.view
    spans = [range(len(view))] if uids is None else view.by_uid(uids)
    uids_to_remove = [view.uid(index) for span in spans for index in span if view.has_flag(index, DELETED)]
    for portion in _portions(uids_to_remove):
        selected.expect_changes()
        await session.backend.messages.expunge(selected.mailbox, portion, session.origin)
