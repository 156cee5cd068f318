"""STORE and UID STORE (RFC 3501, section 6.4.6)."""

from collections.abc import Iterable

from mailyard.imap.core import responses
from mailyard.imap.core.commands.store import Store
from mailyard.imap.core.responses import Completion, no, ok
from mailyard.imap.session.handlers.choice import chosen, in_portions
from mailyard.imap.session.session import Session
from mailyard.imap.session.view import MessageView
from mailyard.mailbox.messages import changed
from mailyard.mailbox.model import FlagState

READ_ONLY = no("The mailbox is open for reading only", "READ-ONLY")
AT_A_TIME = 2_000  # messages of one transaction


async def store(session: Session, command: Store) -> Completion:
    """STORE; the new flags are told, or with .SILENT only where they are not what the client must expect."""
    selected = session.mailbox_view
    if selected.read_only:
        return READ_ONLY
    view, missing = selected.view, 0
    places = chosen(view, command.numbers, by_uid=command.by_uid)
    for portion in in_portions(places, AT_A_TIME):
        expected = {
            view.uid(place): changed(view.flags(place), command.change, command.flags) for place in portion
        }
        result = await session.doors.messages.store(
            selected.mailbox, list(expected), command.change, command.flags, origin=session.origin
        )
        missing += len(expected) - len(result.changed)
        selected.note(result.changed)
        told = (
            state for state in result.changed if not command.silent or expected[state.uid] != state.flags
        )  # fmt: skip
        await session.write_all(_lines(view, told, by_uid=command.by_uid))
    if missing and not command.by_uid:
        selected.expect_changes()
        return no("Some messages no longer exist", "EXPUNGEISSUED")
    return ok("STORE completed")


def _lines(view: MessageView, states: Iterable[FlagState], *, by_uid: bool) -> Iterable[bytes]:
    for state in states:
        place = view.place_of(state.uid)
        if place is not None:
            uid = b"UID %d " % state.uid if by_uid else b""
            yield responses.fetched(place + 1, uid + b"FLAGS " + view.encoded_flags(place))
