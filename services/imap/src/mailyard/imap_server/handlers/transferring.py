"""COPY, MOVE, EXPUNGE, by number and by UID (RFC 3501, section 6.4; RFC 6851; RFC 4315)."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from mailyard.imap.commands.transfer import CopyCommand, ExpungeCommand, MoveCommand, TransferCommand
from mailyard.imap.grammar.sequences import SequenceSet, compact
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, no, ok
from mailyard.imap.wellknown import DELETED, FlagChange
from mailyard.imap_server.handlers.messagesets import GONE, in_portions, resolve
from mailyard.imap_server.handlers.storing import MESSAGES_PER_TRANSACTION, READ_ONLY
from mailyard.imap_server.session.session import ImapSession
from mailyard.mailbox.errors import MailboxError, MailboxNotFound
from mailyard.mailbox.model import CopyResult, Mailbox
from mailyard.runtime.errors import Unavailable

TRY_CREATE = no("There is no such mailbox to put it in", "TRYCREATE")


@dataclass(frozen=True, slots=True)
class _Transfer:
    """The messages of COPY or MOVE, the mailbox that they go to, and the keywords that they keep there; None: all."""

    uids: Sequence[int]
    target: Mailbox
    keywords: frozenset[str] | None


async def copy(session: ImapSession, command: CopyCommand) -> Completion:
    """Execute COPY within the quota; the response code COPYUID has the new UIDs (RFC 4315, section 3).

    Atomic: all messages are copied, or none. If another session has removed one of them, the result is NO (RFC 2180,
    section 4.4.1).
    """
    transfer = await _transfer(session, command)
    if isinstance(transfer, Completion):
        return transfer
    results: list[CopyResult] = []
    quota = await session.quota()
    try:
        for portion in in_portions([transfer.uids], MESSAGES_PER_TRANSACTION):
            result = await session.backend.messages.copy(
                session.selection.mailbox,
                portion,
                transfer.target,
                session.origin,
                quota=quota,
                keywords=transfer.keywords,
            )
            results.append(result)
    except (MailboxError, Unavailable):
        await _undo(session, transfer.target, results)
        raise
    if _copied(results) < len(transfer.uids):
        await _undo(session, transfer.target, results)
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
    transfer = await _transfer(session, command)
    if isinstance(transfer, Completion):
        return transfer
    results: list[CopyResult] = []
    try:
        for portion in in_portions([transfer.uids], MESSAGES_PER_TRANSACTION):
            source = session.selection.mailbox
            result = await session.backend.messages.move(
                source, portion, transfer.target, session.origin, keywords=transfer.keywords
            )
            results.append(result)
    finally:
        if code := _copyuid(results):
            session.write(responses.untagged(ok("Moved", code)))
    return ok("MOVE completed") if _copied(results) == len(transfer.uids) else GONE


async def _transfer(session: ImapSession, command: TransferCommand) -> _Transfer | Completion:
    """Return what COPY or MOVE has to do, or the result of the command where there is nothing to do."""
    view = session.selection.view
    indexes = resolve(view, command.numbers, by_uid=command.by_uid)
    try:
        target = await session.backend.mailboxes.get(session.account, command.mailbox)
    except MailboxNotFound:
        return TRY_CREATE
    uids = view.uids(chain.from_iterable(indexes))
    if view.have_vanished(uids):
        return GONE
    if not uids:
        return ok(f"{command.verb} completed, there was nothing to {command.verb.lower()}")
    session.selection.expect_changes()
    theirs = view.keywords_of(indexes)
    kept = await session.accepted_keywords(target, theirs)
    return _Transfer(uids, target, None if kept == theirs and not view.keywords_left_out else kept)


def _copied(results: Sequence[CopyResult]) -> int:
    return sum(len(result.source_uids) for result in results)


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
    for portion in in_portions([uids_to_remove], MESSAGES_PER_TRANSACTION):
        selected.expect_changes()
        await session.backend.messages.expunge(selected.mailbox, portion, session.origin)
