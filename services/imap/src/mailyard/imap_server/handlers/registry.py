"""The handler of each command. APPEND is not here: it is executed before it is complete."""

from collections.abc import Awaitable, Callable
from typing import Any

from mailyard.imap.commands.authentication import AuthenticateCommand, LoginCommand
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.fetch import FetchCommand
from mailyard.imap.commands.listing import ListCommand, LsubCommand
from mailyard.imap.commands.mailboxes import (
    CheckCommand,
    CloseCommand,
    CreateCommand,
    DeleteCommand,
    ExamineCommand,
    NamespaceCommand,
    RenameCommand,
    SelectCommand,
    StatusCommand,
    SubscribeCommand,
    UnselectCommand,
    UnsubscribeCommand,
)
from mailyard.imap.commands.search import SearchCommand
from mailyard.imap.commands.session import (
    CapabilityCommand,
    IdCommand,
    IdleCommand,
    LogoutCommand,
    NoopCommand,
    StartTlsCommand,
)
from mailyard.imap.commands.store import StoreCommand
from mailyard.imap.commands.transfer import CopyCommand, ExpungeCommand, MoveCommand
from mailyard.imap.server.responses import Completion
from mailyard.imap_server.handlers import (
    authentication,
    fetching,
    idling,
    listing,
    mailboxes,
    searching,
    selecting,
    session,
    storing,
    transferring,
)

Handler = Callable[[Any, Any], Awaitable[Completion]]  # each takes the command type of its line

HANDLERS: dict[type[ImapCommand], Handler] = {
    CapabilityCommand: session.capability,
    NoopCommand: session.noop,
    CheckCommand: session.noop,
    IdCommand: session.identify,
    StartTlsCommand: session.start_tls,
    LogoutCommand: session.logout,
    LoginCommand: authentication.login,
    AuthenticateCommand: authentication.authenticate,
    ListCommand: listing.list_mailboxes,
    LsubCommand: listing.list_subscribed,
    NamespaceCommand: listing.namespace,
    StatusCommand: mailboxes.status,
    CreateCommand: mailboxes.create,
    DeleteCommand: mailboxes.delete,
    RenameCommand: mailboxes.rename,
    SubscribeCommand: mailboxes.subscribe,
    UnsubscribeCommand: mailboxes.unsubscribe,
    SelectCommand: selecting.select,
    ExamineCommand: selecting.examine,
    CloseCommand: selecting.close,
    UnselectCommand: selecting.unselect,
    FetchCommand: fetching.fetch,
    StoreCommand: storing.store,
    SearchCommand: searching.search,
    CopyCommand: transferring.copy,
    MoveCommand: transferring.move,
    ExpungeCommand: transferring.expunge,
    IdleCommand: idling.idle,
}
