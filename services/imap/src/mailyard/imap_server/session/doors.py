"""What a session needs of the rooms below, and of the shell around it: nothing else reaches a socket or the store."""

from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Collection as Group
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bson import ObjectId

from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.identity import Identity, Refusal
from mailyard.imap.wellknown import FlagChange
from mailyard.imap_server.session.accounts import AccountSessions
from mailyard.imap_server.session.keywords import MailboxKeywords
from mailyard.mailbox.flagtable import FlagTable
from mailyard.mailbox.model import (
    AppendResult,
    Changes,
    CopyResult,
    Mailbox,
    Message,
    NewMessage,
    StoreResult,
)
from mailyard.mailbox.quota import Usage
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.store.body import Body


class MailboxDoor(Protocol):
    """`mailyard.mailbox.mailboxes.Mailboxes`."""

    async def ensure_defaults(self, account: ObjectId) -> None:
        """Make INBOX and the special-use mailboxes that the account lacks."""

    async def list(self, account: ObjectId) -> list[Mailbox]:
        """All mailboxes, by name."""

    async def get(self, account: ObjectId, name: str) -> Mailbox:
        """One mailbox by name; raises NotFound."""

    async def create(self, account: ObjectId, name: str, special_use: str | None = None) -> Mailbox:
        """Make a mailbox and those above it; raises AlreadyExists, NotPermitted."""

    async def delete(self, account: ObjectId, name: str) -> None:
        """Delete a mailbox; raises NotFound, NotPermitted."""

    async def rename(self, account: ObjectId, old: str, new: str) -> None:
        """Rename a mailbox with its children; raises NotFound, AlreadyExists, NotPermitted."""

    async def subscribe(self, account: ObjectId, name: str, subscribed: bool) -> None:
        """Subscribe or no longer; raises NotFound, TooMany."""

    async def subscriptions(self, account: ObjectId) -> frozenset[str]:
        """The subscribed names, also those without a mailbox."""

    async def claim_recent(self, mailbox: Mailbox) -> int:
        r"""The first UID that is \Recent for the caller."""


class MessageDoor(Protocol):
    """`mailyard.mailbox.messages.Messages`."""

    async def flag_states(self, mailbox: Mailbox) -> FlagTable:
        """Every message of the snapshot, by UID."""

    async def count_from(self, mailbox: Mailbox, uid: int) -> int:
        """How many messages of the snapshot have this UID or a higher one."""

    async def changes(self, mailbox: ObjectId, account: ObjectId, since_modseq: int) -> Changes:
        """What came, changed or went after a modseq; raises NotFound."""

    def fetch(self, mailbox: Mailbox, uids: Sequence[int], fields: Group[str]) -> AsyncIterator[Message]:
        """The messages that are still there, by UID, with these fields loaded."""

    async def store(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        change: FlagChange,
        flags: frozenset[str],
        *,
        unchanged_since: int | None = None,
        origin: str = "",
    ) -> StoreResult:
        """Change flags."""

    async def expunge(
        self, mailbox: Mailbox, uids: Sequence[int] | None, origin: str = ""
    ) -> tuple[int, ...]:
        r"""Remove messages with \Deleted."""

    async def copy(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        origin: str = "",
        *,
        quota: int | None = None,
        keywords: frozenset[str] | None = None,
    ) -> CopyResult:
        """Copy messages, with these keywords only, if given; raises NotFound, OverQuota."""

    async def move(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        origin: str = "",
        *,
        keywords: frozenset[str] | None = None,
    ) -> CopyResult:
        """Move messages, with these keywords only, if given; raises NotFound."""

    async def append(
        self, mailbox: Mailbox, message: NewMessage, origin: str = "", *, quota: int | None = None
    ) -> AppendResult:
        """Add a message; raises NotFound, OverQuota."""

    async def usage(self, account: ObjectId) -> Usage:
        """What the account's mailboxes hold."""


class Writer(Protocol):
    """`mailyard.store.body.BodyWriter`."""

    async def write(self, data: bytes) -> None:
        """Take octets."""

    async def finish(self) -> Body:
        """End the body."""

    async def abort(self) -> None:
        """Forget the body."""


class BodyDoor(Protocol):
    """`mailyard.store.blobs.Blobs`."""

    def writer(self) -> Writer:
        """Take one new body."""

    async def put(self, body: Body) -> ObjectId:
        """Make sure that the body is stored."""

    async def read_many(self, blob_ids: Group[ObjectId]) -> dict[ObjectId, bytes]:
        """Whole bodies."""

    async def read_range(self, blob_id: ObjectId, start: int, end: int) -> bytes:
        """Octets of a body."""

    def stream(self, blob_id: ObjectId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Octets of a body, piece by piece."""


class LoginDoor(Protocol):
    """`mailyard.directory.authentication.Authenticator`."""

    async def authenticate(
        self, login: str, password: str, *, client_ip: str, service: str
    ) -> Identity | Refusal:
        """Check a name and its password."""


class AccessDoor(Protocol):
    """`mailyard.directory.accesswatch.AccessWatch`."""

    def open(self, identity: Identity, end: Callable[[], None]) -> OpenSession:
        """Note a session; `end` is called when its login no longer counts."""

    def close(self, session: OpenSession) -> None:
        """Forget a session."""


class QuotaDoor(Protocol):
    """`mailyard.directory.quotas.AccountQuotas`."""

    async def of(self, accounts: Group[ObjectId]) -> dict[ObjectId, int]:
        """The quotas in octets of those accounts that have one."""


class EventDoor(Protocol):
    """`mailyard.broker.events.MailboxEvents`, the receiving half."""

    async def subscribe(self, mailbox_id: str, callback: Callable[[MailboxEvent], None]) -> None:
        """Call back for each event of a mailbox."""

    async def unsubscribe(self, mailbox_id: str, callback: Callable[[MailboxEvent], None]) -> None:
        """Undo one `subscribe`."""


@dataclass(frozen=True, slots=True)
class Doors:
    """All of them, and the clocks: `now` for dates, `monotonic` in seconds for durations."""

    mailboxes: MailboxDoor
    messages: MessageDoor
    bodies: BodyDoor
    logins: LoginDoor
    access: AccessDoor
    quotas: QuotaDoor
    events: EventDoor
    accounts: AccountSessions
    keywords: MailboxKeywords
    now: Callable[[], datetime]
    monotonic: Callable[[], float]


class Channel(Protocol):
    """The client's connection as the session sees it. Octets that arrive go straight into `core.Connection`."""

    @property
    def client_ip(self) -> str:
        """Where the client stands."""

    @property
    def is_local(self) -> bool:
        """Whether the client is known to run on this machine."""

    @property
    def secure(self) -> bool:
        """Whether TLS protects the connection."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will arrive."""

    @property
    def may_start_tls(self) -> bool:
        """Whether STARTTLS is possible now."""

    def write(self, octets: bytes) -> None:
        """Send octets, without waiting."""

    async def drain(self) -> None:
        """Wait until the client has taken most of it; raises ConnectionError when it is gone or takes nothing."""

    async def wait(self, seconds: float) -> bool:
        """Wait for input, its end, or `wake`; False when none came in time."""

    def wake(self) -> None:
        """End `wait`."""

    def has_room(self, octets: int) -> bool:
        """Whether the process may hold so many more octets of this connection in memory."""

    def reserve(self, octets: int) -> bool:
        """Count octets that something is about to hold for this connection; False where there is no room for them."""

    def give_back(self, octets: int) -> None:
        """Undo one `reserve`."""

    async def start_tls(self) -> None:
        """Do the TLS handshake; raises ConnectionError."""

    def abort(self) -> None:
        """Drop the connection at once."""
