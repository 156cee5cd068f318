"""STORE and UID STORE (RFC 3501, section 6.4.6)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mailyard.imap.commands.store import StoreCommand
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, no, ok
from mailyard.imap.wellknown import FlagChange
from mailyard.imap_server.handlers.messagesets import in_portions, resolve
from mailyard.imap_server.session.session import ImapSession
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.messages import changed
from mailyard.mailbox.model import FlagState

READ_ONLY = no("The mailbox is open for reading only", "READ-ONLY")
AT_A_TIME = 2_000  # messages of one transaction
_DIFFERENT_AT_A_TIME = (
    200  # the same where most messages have flags of their own: each set of flags is an update
)


async def store(session: ImapSession, command: StoreCommand) -> Completion:
    """STORE; the new flags are told, or with .SILENT only where they are not what the client must expect.

    Messages that another session has removed are left out. Without .SILENT the completion says so (RFC 2180,
    section 4.2); with it, only if there was no other message.
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
    at_a_time = AT_A_TIME if view.has_few_flag_sets else _DIFFERENT_AT_A_TIME
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
            return no("Some messages no longer exist", "EXPUNGEISSUED")
    return ok("STORE completed")


def _too_many_flags(
    session: ImapSession, command: StoreCommand, indexes: Sequence[range]
) -> Completion | None:
    """Why the flags cannot be set: a mailbox and a message have so many keywords at most."""
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
    """The messages whose flags are not what a client concludes from what they were."""
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
