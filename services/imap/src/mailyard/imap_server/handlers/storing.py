"""STORE and UID STORE (RFC 3501, section 6.4.6)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mailyard.imap.commands.store import StoreCommand
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, no, ok
from mailyard.imap.wellknown import FlagChange
from mailyard.imap_server.handlers.messagesets import GONE, in_portions, resolve
from mailyard.imap_server.session.session import ImapSession
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.messages import changed
from mailyard.mailbox.model import FlagState

READ_ONLY = no("The mailbox is open for reading only", "READ-ONLY")
MESSAGES_PER_TRANSACTION = 2_000  # a long transaction delays other writers of the mailbox
_DIFFERENT_AT_A_TIME = 200  # where most messages have different flags: each set of flags is one update


async def store(session: ImapSession, command: StoreCommand) -> Completion:
    """Execute STORE; the new flags are sent, with .SILENT only where they differ from what the client must expect.

    Messages that another session has removed are left out. Without .SILENT the command then ends with NO (RFC 2180,
    section 4.2); with .SILENT only if no message was left.
    """
    selected = session.selection
    if selected.read_only:
        return READ_ONLY
    view = selected.view
    indexes = resolve(view, command.numbers, by_uid=command.by_uid)
    refusal = _too_many_flags(session, command, indexes)
    if refusal is not None:
        return refusal
    if command.change is not FlagChange.REMOVE:
        session.backend.keywords.note(selected.mailbox.id, command.flags)
    flags = view.sent_spelling(command.flags)
    stored = view.all_spellings(flags) if command.change is FlagChange.REMOVE else flags
    missing = found = 0
    at_a_time = MESSAGES_PER_TRANSACTION if view.has_few_flag_sets else _DIFFERENT_AT_A_TIME
    for portion in in_portions(indexes, at_a_time):
        before = {view.uid(index): view.flags(index) for index in portion}
        result = await session.backend.messages.store(
            selected.mailbox, list(before), command.change, stored, origin=session.origin
        )
        found += len(result.changed)
        missing += len(before) - len(result.changed)
        selected.apply_own(result.changed)
        session.send_new_keywords()
        sent: Iterable[FlagState] = result.changed
        if command.silent:
            sent = _unexpected(view, result.changed, before, command.change, flags)
        await session.write_all(_lines(view, sent, by_uid=command.by_uid))
    if not command.silent:
        view.mark_sent(indexes)
    if missing:
        selected.expect_changes()
        if not command.by_uid and not (command.silent and found):
            return GONE
    return ok("STORE completed")


def _too_many_flags(
    session: ImapSession, command: StoreCommand, indexes: Sequence[range]
) -> Completion | None:
    """Return the refusal where a mailbox or a message would have too many flags."""
    view, limits = session.selection.view, session.connection.limits
    if command.change is FlagChange.REMOVE:
        return None
    if len(view.keywords) + view.new_keywords(command.flags) > limits.keywords:
        return no(f"A mailbox has {limits.keywords} keywords at most", "LIMIT")
    if command.change is FlagChange.ADD and view.most_flags(indexes, command.flags) > limits.flags:
        return no(f"A message has {limits.flags} flags at most", "LIMIT")
    return None


def _unexpected(
    view: MessageView,
    states: Iterable[FlagState],
    before: Mapping[int, frozenset[str]],
    change: FlagChange,
    flags: frozenset[str],
) -> Iterator[FlagState]:
    """Give the messages whose flags differ from what a client concludes from the flags before."""
    expected = {old: changed(old, change, flags) for old in set(before.values())}
    for state in states:
        if expected[before[state.uid]] != view.sent_spelling(state.flags):
            yield state


def _lines(view: MessageView, states: Iterable[FlagState], *, by_uid: bool) -> Iterable[bytes]:
    for state in states:
        index = view.index_of(state.uid)
        if index is not None:
            uid = b"UID %d " % state.uid if by_uid else b""
            yield responses.fetched(index + 1, uid + b"FLAGS " + view.encoded_flags(index))
