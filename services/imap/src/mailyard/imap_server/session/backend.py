"""Everything outside the connection that a session uses: mailboxes, bodies, logins, events, clocks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.authentication import Authenticator
from mailyard.directory.quotas import AccountQuotas
from mailyard.imap_server.session.accounts import AccountSessions
from mailyard.imap_server.session.concurrency import ConcurrencyLimits
from mailyard.imap_server.session.keywords import MailboxKeywords
from mailyard.imap_server.session.watch import MailboxWatch
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.store.blobs import Blobs


@dataclass(frozen=True, slots=True)
class ImapServices:
    """What all sessions of the process share. `now` gives dates, `monotonic` gives seconds for durations."""

    mailboxes: Mailboxes
    messages: Messages
    blobs: Blobs
    authenticator: Authenticator
    access: AccessWatch
    quotas: AccountQuotas
    events: MailboxWatch
    accounts: AccountSessions
    keywords: MailboxKeywords
    concurrency: ConcurrencyLimits
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
