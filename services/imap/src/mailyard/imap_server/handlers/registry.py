"""Which handler carries out which command. APPEND is not here: it begins before it is complete."""

from collections.abc import Awaitable, Callable
from typing import Any

from mailyard.imap.commands.authentication import Authenticate, Login
from mailyard.imap.commands.command import Command
from mailyard.imap.commands.fetch import Fetch
from mailyard.imap.commands.listing import List, Lsub
from mailyard.imap.commands.mailboxes import (
    Check,
    Close,
    Create,
    Delete,
    Examine,
    Namespace,
    Rename,
    Select,
    Status,
    Subscribe,
    Unselect,
    Unsubscribe,
)
from mailyard.imap.commands.search import Search
from mailyard.imap.commands.session import Capability, Id, Idle, Logout, Noop, StartTls
from mailyard.imap.commands.store import Store
from mailyard.imap.commands.transfer import Copy, Expunge, Move
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

Handler = Callable[[Any, Any], Awaitable[Completion]]  # each takes the type of command that it stands beside

HANDLERS: dict[type[Command], Handler] = {
    Capability: session.capability,
    Noop: session.noop,
    Check: session.noop,
    Id: session.identify,
    StartTls: session.start_tls,
    Logout: session.logout,
    Login: authentication.login,
    Authenticate: authentication.authenticate,
    List: listing.list_mailboxes,
    Lsub: listing.list_subscribed,
    Namespace: listing.namespace,
    Status: mailboxes.status,
    Create: mailboxes.create,
    Delete: mailboxes.delete,
    Rename: mailboxes.rename,
    Subscribe: mailboxes.subscribe,
    Unsubscribe: mailboxes.unsubscribe,
    Select: selecting.select,
    Examine: selecting.examine,
    Close: selecting.close,
    Unselect: selecting.unselect,
    Fetch: fetching.fetch,
    Store: storing.store,
    Search: searching.search,
    Copy: transferring.copy,
    Move: transferring.move,
    Expunge: transferring.expunge,
    Idle: idling.idle,
}
