"""The state of one client's session, and its input and output.

A session ends with LOGOUT, with BYE (time-out, too many bad commands, shutdown), or when the client is gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from uuid import uuid4

from bson import ObjectId

from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.identity import Identity
from mailyard.imap.server import responses
from mailyard.imap.server.capabilities import capabilities
from mailyard.imap.server.connection import ServerConnection
from mailyard.imap.server.events import (
    Event,
    LineReceived,
    Overflow,
)
from mailyard.imap.server.responses import Completion, no
from mailyard.imap.states import SessionState, Transition
from mailyard.imap.wellknown import SYSTEM_FLAGS
from mailyard.imap_server.session.backend import ImapServices
from mailyard.imap_server.session.channel import Channel
from mailyard.imap_server.session.fetchahead import EventQueue, FetchAhead
from mailyard.imap_server.session.options import SessionOptions
from mailyard.imap_server.session.selected import SelectedMailbox
from mailyard.mailbox.errors import MailboxNotFound
from mailyard.mailbox.model import Mailbox
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger

_LINES_AT_A_TIME = 1_000
_OCTETS_AT_A_TIME = 65_536
_REVOKED_SECONDS = (
    2.0  # for the BYE of a session whose login is not valid any more; then the connection is cut
)

_log = get_logger(__name__)


class SessionOver(Exception):
    """The session ends; `bye` is sent first if it is not empty."""

    def __init__(self, bye: str = "", code: str = "") -> None:
        super().__init__(bye)
        self.bye = bye
        self.code = code


def unavailable(error: Unavailable) -> Completion:
    """Return the result of a command while the store is unreachable (RFC 5530, section 3)."""
    _log.warning("imap.unavailable", error=str(error))
    return no("The mail store is away for a moment, try again later", "UNAVAILABLE")


class ImapSession:
    """The state of a session; `handlers` change it."""

    def __init__(self, channel: Channel, backend: ImapServices, options: SessionOptions) -> None:
        self.channel = channel
        self.backend = backend
        self.options = options
        self.connection = ServerConnection(options.before_login, channel.has_room)
        self.events = EventQueue(self.connection)
        self.fetch_ahead = FetchAhead(backend)
        self.origin = uuid4().hex  # marks this session's changes in mailbox events
        self.identity: Identity | None = None
        self.selected: SelectedMailbox | None = None
        self._open: OpenSession | None = None  # of the identity
        self._is_revoked = False
        self._counted_as: str | None = None
        self.stopping = False
        self.is_logging_in = False  # a password is being checked
        self.on_login: Callable[[], None] = lambda: None  # called when the session has an account
        self._login_until = backend.monotonic() + options.login_seconds
        self.failed_logins = 0
        self.after_response: Callable[[], Awaitable[None]] | None = (
            None  # called after the response to the command
        )

    @property
    def account(self) -> ObjectId:
        """The account; only after login."""
        assert self.identity is not None
        return ObjectId(self.identity.account)

    async def quota(self) -> int | None:
        """Return the quota of the account in octets; None: no limit. Raises Unavailable."""
        return (await self.backend.quotas.of([self.account])).get(self.account)

    @property
    def selection(self) -> SelectedMailbox:
        """The selected mailbox; only in the selected state."""
        assert self.selected is not None
        return self.selected

    @property
    def may_log_in(self) -> bool:
        """Whether a password may be sent: under TLS, or from this machine where that is permitted."""
        return self.channel.secure or (self.options.plaintext_on_loopback and self.channel.is_local)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities in the present state."""
        return capabilities(
            self.connection.state, may_start_tls=self.channel.may_start_tls, may_log_in=self.may_log_in
        )

    @property
    def capability_code(self) -> str:
        """The capabilities as a response code, which saves clients the command."""
        return f"CAPABILITY {' '.join(self.capabilities)}"

    @property
    def command_seconds(self) -> float:
        """How long to wait for the next command, in seconds."""
        if self.connection.state is SessionState.NOT_AUTHENTICATED:
            return max(0.0, self._login_until - self.backend.monotonic())
        return self.options.idle_seconds

    def log_in(self, identity: Identity) -> None:
        """Log in as an identity, for as long as its login is valid."""
        self.log_out()
        self.identity = identity
        self._open = self.backend.access.open(identity, self.revoke)

    def log_out(self) -> None:
        """Undo `log_in`."""
        if self._open is not None:
            self.backend.access.close(self._open)
            self._open = None

    def revoke(self) -> None:
        """End the session with BYE because the login is not valid any more; a client that does not read is cut off soon."""
        self._is_revoked = True
        self.channel.wake()
        asyncio.get_running_loop().call_later(_REVOKED_SECONDS, self.channel.abort)

    def stop(self) -> None:
        """End the session with BYE after the current command."""
        self.stopping = True
        self.channel.wake()

    # Input and output

    def write(self, octets: bytes) -> None:
        """Send octets without waiting."""
        self.channel.write(octets)

    async def drain(self) -> None:
        """Wait until the client has read most of what was sent."""
        await self.channel.drain()

    async def write_all(self, lines: Iterable[bytes]) -> None:
        """Send many responses in batches; other sessions have their turn in between."""
        some: list[bytes] = []
        octets = 0
        for line in lines:
            some.append(line)
            octets += len(line)
            if len(some) >= _LINES_AT_A_TIME or octets >= _OCTETS_AT_A_TIME:
                self.write(b"".join(some))
                await self.drain()
                some, octets = [], 0
        if some:
            self.write(b"".join(some))
            await self.drain()

    async def next_event(self, seconds: float, *, even_if_stopping: bool = False) -> Event | None:
        """Return the next event; None where the client sends nothing for so many seconds.

        Raises:
            SessionOver: the client is gone, has sent too much, or the server stops.

        """
        until = self.backend.monotonic() + seconds
        while True:
            event = await self.next_event_or_wake(seconds, even_if_stopping=even_if_stopping)
            seconds = until - self.backend.monotonic()
            if event is not None or seconds <= 0:
                return event

    async def next_event_or_wake(self, seconds: float, *, even_if_stopping: bool = False) -> Event | None:
        """As `next_event`, but None also after `wake`, such as for changes of the mailbox."""
        if self._is_revoked:
            raise SessionOver("Your access has changed, log in again")
        if self.stopping and not even_if_stopping:
            raise SessionOver("Server is shutting down", "UNAVAILABLE")
        event = await self._parsed_event()
        if event is None:
            if self.channel.ended:
                raise SessionOver
            await self.channel.wait(seconds)
            event = await self._parsed_event()
        if isinstance(event, Overflow):
            raise SessionOver(event.text)
        return event

    async def _parsed_event(self) -> Event | None:
        event = self.events.next_event()
        while event is None and self.connection.is_busy:
            await asyncio.sleep(0)
            event = self.events.next_event()
        return event

    async def next_line(self) -> bytes:
        """Return the client's line after a continuation request."""
        self.connection.expect_line()
        await self.drain()
        event = await self.next_event(min(self.command_seconds, self.options.stall_seconds))
        if not isinstance(event, LineReceived):
            raise SessionOver("Time is up")
        return event.octets

    # Mailboxes

    async def refresh(self, *, force: bool = False) -> None:
        """Read changes of the selected mailbox, if there is one and the last refresh is old enough.

        Raises:
            SessionOver: the mailbox was deleted (RFC 2180, section 3.3: the client is disconnected).

        """
        if self.selected is None or not (force or self.selected.is_stale):
            return
        try:
            await self.selected.refresh()
        except MailboxNotFound as error:
            raise SessionOver("The selected mailbox was deleted") from error

    async def send_updates(self, *, expunges: bool) -> None:
        """Send the changes of the selected mailbox (RFC 3501, section 5.2)."""
        if self.selected is None:
            return
        view = self.selected.view
        updates = view.take_updates(expunges=expunges)
        await self.write_all(responses.expunged(number) for number in updates.expunged)
        if updates.exists is not None:
            self.write(responses.exists(updates.exists) + responses.recent(updates.recent))
        if updates.keywords is not None:
            self.write_flags(updates.keywords)
        await self.write_all(self.flags_response(index) for index in updates.changed)

    def send_new_keywords(self) -> None:
        """Send FLAGS if there is a new keyword: FLAGS comes before the responses that use the keyword."""
        if self.selected is None:
            return
        keywords = self.selected.view.take_new_keywords()
        if keywords is not None:
            self.write_flags(keywords)

    def flags_response(self, index: int) -> bytes:
        """Return an unsolicited FETCH response with the flags and the UID of one message."""
        view = self.selection.view
        return responses.fetched(index + 1, b"UID %d FLAGS %b" % (view.uid(index), view.encoded_flags(index)))

    def write_flags(self, keywords: frozenset[str]) -> None:
        """Send FLAGS and PERMANENTFLAGS."""
        names = {*SYSTEM_FLAGS, *keywords}
        read_only = self.selected is not None and self.selected.read_only
        self.write(responses.flags(names) + responses.permanent_flags(() if read_only else {*names, "\\*"}))

    async def accepted_keywords(self, mailbox: Mailbox, flags: frozenset[str]) -> frozenset[str]:
        """Return the flags that messages may bring into a mailbox; the client is warned of others."""
        selected = self.selected
        shown = None
        if selected is not None and selected.mailbox.id == mailbox.id and not selected.view.keywords_left_out:
            shown = selected.view.keywords
        kept = await self.backend.keywords.accepted(mailbox, flags, shown)
        if kept != flags:
            _log.warning("imap.keywords_left_out", account=str(self.account), mailbox=str(mailbox.id))
            most = self.connection.limits.keywords
            self.write(
                responses.untagged(no(f"Keywords were left out: a mailbox has {most} at most", "LIMIT"))
            )
        return kept

    def count_in(self, account: str) -> bool:
        """Count the session of an account; return False where the account has too many."""
        self.count_out()
        if not self.backend.accounts.add(account, self.options.connections_per_account):
            return False
        self._counted_as = account
        return True

    def count_out(self) -> None:
        """Undo `count_in`."""
        account, self._counted_as = self._counted_as, None
        if account is not None:
            self.backend.accounts.remove(account)

    async def close_mailbox(self) -> None:
        """Close the selected mailbox, if there is one."""
        self.fetch_ahead.forget()
        selected, self.selected = self.selected, None
        if selected is not None:
            self.connection.change_state(Transition.CLOSED)
            await selected.close()
