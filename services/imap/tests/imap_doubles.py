"""The backend of a session in memory, obeying the same contracts as the real ones, and a channel without a socket."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

from bson import ObjectId

from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.imap.wellknown import FlagChange
from mailyard.imap_server.session.accounts import AccountSessions
from mailyard.imap_server.session.backend import ImapServices
from mailyard.imap_server.session.keywords import MailboxKeywords
from mailyard.mailbox.errors import MailboxExists, MailboxNotFound, NotPermitted
from mailyard.mailbox.factory import new_message
from mailyard.mailbox.flagtable import FlagTable
from mailyard.mailbox.messages import changed, copy_of
from mailyard.mailbox.model import (
    DEFAULTS,
    AppendResult,
    Changes,
    CopyResult,
    FlagState,
    Mailbox,
    Message,
    NewMessage,
    StoreResult,
)
from mailyard.mailbox.names import canonical
from mailyard.mailbox.quota import OverQuota, Usage, fits
from mailyard.message.address import Address
from mailyard.message.parse import parse_message
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.runtime.errors import Unavailable
from mailyard.store.blobs import BodyMissing
from mailyard.store.body import Body

NOW = datetime(2024, 5, 17, 10, 30, tzinfo=UTC)
ACCOUNT = ObjectId(b"\x01" * 12)
PASSWORD = "secret"


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    seconds: float = 1000.0
    watchers: list[Callable[[], None]] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        for watcher in self.watchers:
            watcher()


@dataclass
class Box:
    """A mailbox row and its messages, those that are gone included."""

    row: Mailbox
    messages: dict[int, Message] = field(default_factory=dict)

    @property
    def present(self) -> list[Message]:
        return [self.messages[uid] for uid in sorted(self.messages) if not self.messages[uid].expunged]


class MemoryAccess:
    """Sessions that are open."""

    def __init__(self) -> None:
        self.sessions: set[OpenSession] = set()

    def open(self, identity: Identity, end: Callable[[], None]) -> OpenSession:
        session = OpenSession(identity, end)
        self.sessions.add(session)
        return session

    def close(self, session: OpenSession) -> None:
        self.sessions.discard(session)


class World:
    """Everything of the backend."""

    def __init__(self) -> None:
        self.boxes: dict[ObjectId, Box] = {}
        self.bodies: dict[ObjectId, bytes] = {}
        self.callbacks: defaultdict[str, list[Callable[[MailboxEvent], None]]] = defaultdict(list)
        self.accounts = AccountSessions()
        self.clock = Clock()
        self.keywords = MailboxKeywords(MemoryMessages(self).flag_states, lambda: self.clock.seconds)
        self.access = MemoryAccess()
        self.away = False
        self.calls: list[str] = []
        self.fails_at: dict[str, int] = {}  # which call of a function finds the store away
        self.quota: int | None = None
        self.subscriptions = set(DEFAULTS)
        self._numbers = count(1)
        for name, use in DEFAULTS.items():
            self.add_box(name, use)

    def backend(self) -> ImapServices:
        return ImapServices(
            MemoryMailboxes(self),
            MemoryMessages(self),
            MemoryBodies(self),
            MemoryLogins(self),
            self.access,
            MemoryQuotas(self),
            MemoryEvents(self),
            self.accounts,
            self.keywords,
            lambda: NOW,
            lambda: self.clock.seconds,
        )

    def called(self, name: str) -> None:
        self.calls.append(name)
        if self.away or self.calls.count(name) == self.fails_at.get(name):
            raise Unavailable("the store is away")

    def add_box(self, name: str, special_use: str | None = None) -> Box:
        number = next(self._numbers)
        identity = ObjectId(number.to_bytes(12, "big"))
        box = Box(Mailbox(identity, ACCOUNT, name, 1_700_000_000 + number, 1, 1, 0, 0, 0, special_use))
        self.boxes[identity] = box
        return box

    def box(self, name: str) -> Box:
        for box in self.boxes.values():
            if box.row.name == canonical(name):
                return box
        raise MailboxNotFound(name)

    def by_id(self, identity: ObjectId) -> Box:
        if identity not in self.boxes:
            raise MailboxNotFound(identity)
        return self.boxes[identity]

    def deliver(
        self, name: str, octets: bytes, flags: Iterable[str] = (), prefix: bytes = b"", now: datetime = NOW
    ) -> int:
        """Put a message into a mailbox, as another session or the delivery service would."""
        blob_id = ObjectId()
        self.bodies[blob_id] = octets
        new = new_message(
            parse_message(prefix, octets),
            account=ACCOUNT,
            blob_id=blob_id,
            body_size=len(octets),
            internal_date=now,
            row_id=str(blob_id),
            prefix=prefix,
            flags=frozenset(flags),
        )
        return self.add(self.box(name), new)

    def add(self, box: Box, new: NewMessage, origin: str = "") -> int:
        uid, modseq = box.row.uid_next, box.row.highest_modseq + 1
        box.messages[uid] = Message(
            new.id, box.row.id, new.account, uid, modseq, new.flags, new.internal_date, NOW, new.size, new.prefix,
            new.blob_id, new.envelope, new.bodystructure, new.imap_body, new.header_index, new.part_index, "", "",
            summary=new.summary,
        )  # fmt: skip
        box.row = replace(box.row, uid_next=uid + 1, highest_modseq=modseq)
        self.touched(box, origin)
        return uid

    def change(
        self, box: Box, uids: Iterable[int], change: Callable[[Message], Message], origin: str = ""
    ) -> list[int]:
        """Change messages under one new modseq; return the UIDs that were there."""
        modseq, found = box.row.highest_modseq + 1, []
        for uid in uids:
            message = box.messages.get(uid)
            if message is None or message.expunged:
                continue
            found.append(uid)
            after = change(message)
            if after != message:
                box.messages[uid] = replace(after, modseq=modseq)
                box.row = replace(box.row, highest_modseq=modseq)
        self.touched(box, origin)
        return found

    def touched(self, box: Box, origin: str) -> None:
        present = box.present
        box.row = replace(
            box.row,
            total=len(present),
            unseen=sum("\\Seen" not in message.flags for message in present),
            octets=sum(message.size for message in present),
        )
        for callback in tuple(self.callbacks[str(box.row.id)]):
            callback(MailboxEvent(mailbox=str(box.row.id), origin=origin))


@dataclass
class MemoryMailboxes:
    world: World

    async def ensure_defaults(self, account: ObjectId) -> None:
        self.world.called("ensure_defaults")

    async def list(self, account: ObjectId) -> list[Mailbox]:
        self.world.called("list")
        return sorted((box.row for box in self.world.boxes.values()), key=lambda row: row.name)

    async def get(self, account: ObjectId, name: str) -> Mailbox:
        self.world.called("get")
        return self.world.box(name).row

    async def create(self, account: ObjectId, name: str, special_use: str | None = None) -> Mailbox:
        self.world.called("create")
        name = name.removesuffix("/")
        if not all(name.split("/")):
            raise NotPermitted("A mailbox name has no empty part")
        if any(box.row.name == name for box in self.world.boxes.values()):
            raise MailboxExists(name)
        parts = name.split("/")
        for length in range(1, len(parts)):
            above = "/".join(parts[:length])
            if all(box.row.name != above for box in self.world.boxes.values()):
                self.world.add_box(above)
        return self.world.add_box(name, special_use).row

    async def delete(self, account: ObjectId, name: str) -> None:
        self.world.called("delete")
        box = self.world.box(name)
        if box.row.name == "INBOX":
            raise NotPermitted("INBOX cannot be deleted")
        del self.world.boxes[box.row.id]

    async def rename(self, account: ObjectId, old: str, new: str) -> None:
        self.world.called("rename")
        if any(box.row.name == new for box in self.world.boxes.values()):
            raise MailboxExists(new)
        box = self.world.box(old)
        if box.row.name == "INBOX":
            box.row = replace(box.row, name=new)
            self.world.add_box("INBOX")
            return
        for each in self.world.boxes.values():
            if each.row.name == old or each.row.name.startswith(f"{old}/"):
                each.row = replace(each.row, name=new + each.row.name.removeprefix(old))

    async def subscribe(self, account: ObjectId, name: str, subscribed: bool) -> None:
        self.world.called("subscribe")
        name = canonical(name)
        if subscribed:
            if not any(f"{box.row.name}/".startswith(f"{name}/") for box in self.world.boxes.values()):
                raise MailboxNotFound(name)
            self.world.subscriptions.add(name)
        else:
            self.world.subscriptions.discard(name)

    async def subscriptions(self, account: ObjectId) -> frozenset[str]:
        self.world.called("subscriptions")
        return frozenset(self.world.subscriptions)

    async def claim_recent(self, mailbox: Mailbox) -> int:
        self.world.called("claim_recent")
        box = self.world.by_id(mailbox.id)
        before = box.row.recent_from
        box.row = replace(box.row, recent_from=max(before, mailbox.uid_next))
        return before


@dataclass
class MemoryMessages:
    world: World

    async def flag_states(self, mailbox: Mailbox) -> FlagTable:
        self.world.called("flag_states")
        table = FlagTable()
        for message in self.world.by_id(mailbox.id).present:
            if message.uid < mailbox.uid_next:
                table.add(message.uid, message.modseq, message.flags)
        return table

    async def count_from(self, mailbox: Mailbox, uid: int) -> int:
        self.world.called("count_from")
        return sum(uid <= message.uid < mailbox.uid_next for message in self.world.by_id(mailbox.id).present)

    async def changes(self, mailbox: ObjectId, account: ObjectId, since_modseq: int) -> Changes:
        self.world.called("changes")
        box = self.world.by_id(mailbox)
        news = [box.messages[uid] for uid in sorted(box.messages) if box.messages[uid].modseq > since_modseq]
        return Changes(
            box.row.highest_modseq,
            box.row.uid_next,
            tuple(_state(message) for message in news if not message.expunged),
            tuple(message.uid for message in news if message.expunged),
        )

    async def fetch(
        self, mailbox: Mailbox, uids: Sequence[int], fields: Collection[str]
    ) -> AsyncIterator[Message]:
        self.world.called("fetch")
        assert list(uids) == sorted(uids)
        for message in self.world.by_id(mailbox.id).present:
            if message.uid in set(uids):
                yield _only(message, fields)

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
        self.world.called("store")
        box = self.world.by_id(mailbox.id)
        found = self.world.change(
            box, uids, lambda message: replace(message, flags=changed(message.flags, change, flags)), origin
        )
        return StoreResult(tuple(_state(box.messages[uid]) for uid in found))

    async def expunge(
        self, mailbox: Mailbox, uids: Sequence[int] | None, origin: str = ""
    ) -> tuple[int, ...]:
        self.world.called("expunge")
        box = self.world.by_id(mailbox.id)
        doomed = [message.uid for message in box.present if "\\Deleted" in message.flags]
        doomed = [uid for uid in doomed if uids is None or uid in uids]
        return tuple(self.world.change(box, doomed, _gone, origin))

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
        self.world.called("copy")
        source = self.world.by_id(mailbox.id)
        added = [each for each in source.present if each.uid in uids]
        self._require_room(quota, sum(each.size for each in added), frozenset(each.id for each in added))
        return self._copy(mailbox, uids, target, origin, keywords)

    def _copy(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        origin: str,
        keywords: frozenset[str] | None,
    ) -> CopyResult:
        source, box = self.world.by_id(mailbox.id), self.world.by_id(target.id)
        found = [uid for uid in uids if uid in source.messages and not source.messages[uid].expunged]
        new = tuple(
            self.world.add(box, copy_of(_new(source.messages[uid]), keywords), origin) for uid in found
        )
        return CopyResult(box.row.uid_validity, tuple(found), new)

    async def move(
        self,
        mailbox: Mailbox,
        uids: Sequence[int],
        target: Mailbox,
        origin: str = "",
        *,
        keywords: frozenset[str] | None = None,
    ) -> CopyResult:
        self.world.called("move")
        result = self._copy(mailbox, uids, target, origin, keywords)
        self.world.change(self.world.by_id(mailbox.id), result.source_uids, _gone, origin)
        return result

    async def append(
        self, mailbox: Mailbox, message: NewMessage, origin: str = "", *, quota: int | None = None
    ) -> AppendResult:
        self.world.called("append")
        self._require_room(quota, message.size, frozenset({message.id}))
        box = self.world.by_id(mailbox.id)
        return AppendResult(box.row.uid_validity, self.world.add(box, message, origin))

    async def usage(self, account: ObjectId) -> Usage:
        self.world.called("usage")
        return Usage(sum(box.row.octets for box in self.world.boxes.values()))

    def _require_room(self, quota: int | None, octets: int, messages: frozenset[str]) -> None:
        used = sum(box.row.octets for box in self.world.boxes.values())
        if not fits(Usage(used), quota, octets):
            raise OverQuota(messages)


@dataclass
class MemoryQuotas:
    world: World

    async def of(self, accounts: Collection[ObjectId]) -> dict[ObjectId, int]:
        return {} if self.world.quota is None else dict.fromkeys(accounts, self.world.quota)


def _state(message: Message) -> FlagState:
    return FlagState(message.uid, message.modseq, message.flags)


def _gone(message: Message) -> Message:
    return replace(message, expunged=True)


def _only(message: Message, fields: Collection[str]) -> Message:
    """The message with these fields only, so that a test fails where one is used and was not asked for."""
    empty = {
        "internal_date": datetime.min.replace(tzinfo=UTC),
        "size": -1,
        "prefix": b"not loaded",
        "blob_id": ObjectId(b"\0" * 12),
        "envelope": b"not loaded",
        "bodystructure": b"not loaded",
        "imap_body": b"not loaded",
        "header_index": b"",
        "part_index": b"",
        "flags": frozenset({"not loaded"}),
        "summary": None,
    }
    return replace(message, **{name: value for name, value in empty.items() if name not in fields})


def _new(message: Message) -> NewMessage:
    return NewMessage(
        str(ObjectId()), message.account, message.prefix, message.blob_id, message.size, message.internal_date,
        message.envelope, message.bodystructure, message.imap_body, message.header_index, message.part_index,
        flags=message.flags, summary=message.summary,
    )  # fmt: skip


class MemoryWriter:
    def __init__(self, world: World) -> None:
        self.world = world
        self.blob_id = ObjectId()
        self.octets = b""

    async def write(self, data: bytes) -> None:
        self.world.called("write")
        self.octets += data

    async def finish(self) -> Body:
        return Body(self.blob_id, len(self.octets), self.octets)

    async def abort(self) -> None:
        self.world.calls.append("abort")


@dataclass
class MemoryBodies:
    world: World
    piece: int = 100_000

    def writer(self) -> MemoryWriter:
        return MemoryWriter(self.world)

    async def put(self, body: Body) -> ObjectId:
        self.world.called("put")
        assert body.octets is not None
        self.world.bodies[body.blob_id] = body.octets
        return body.blob_id

    async def read_many(self, blob_ids: Collection[ObjectId]) -> dict[ObjectId, bytes]:
        self.world.called("read_many")
        return {blob_id: self.world.bodies[blob_id] for blob_id in blob_ids if blob_id in self.world.bodies}

    async def read_range(self, blob_id: ObjectId, start: int, end: int) -> bytes:
        return b"".join([octets async for octets in self.stream(blob_id, start, end)])

    async def stream(self, blob_id: ObjectId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        self.world.called("stream")
        if blob_id not in self.world.bodies:
            raise BodyMissing(blob_id)
        octets = self.world.bodies[blob_id][start:end]
        for position in range(0, len(octets), self.piece):
            self.world.called("stream")
            yield octets[position : position + self.piece]


@dataclass
class MemoryLogins:
    world: World

    async def authenticate(
        self, login: str, password: str, *, client_ip: str, service: str
    ) -> Identity | Refusal:
        assert service == "imap"
        if self.world.away:
            return Refusal(RefusalReason.UNAVAILABLE)
        if login == "closed@example.org":
            return Refusal(RefusalReason.ACCOUNT_DISABLED)
        if (login, password) != ("user@example.org", PASSWORD):
            return Refusal(RefusalReason.BAD_CREDENTIALS)
        return Identity(str(ACCOUNT), "example", Address("user", "example.org"))


@dataclass
class MemoryEvents:
    world: World

    async def subscribe(self, mailbox_id: str, callback: Callable[[MailboxEvent], None]) -> None:
        self.world.callbacks[mailbox_id].append(callback)

    async def unsubscribe(self, mailbox_id: str, callback: Callable[[MailboxEvent], None]) -> None:
        self.world.callbacks[mailbox_id].remove(callback)


class MemoryChannel:
    """A client's connection: what the server wrote is in `sent`."""

    def __init__(self, clock: Clock) -> None:
        self.client_ip = "192.0.2.7"
        self.is_local = False
        self.secure = True
        self.may_start_tls = False
        self.ended = False
        self.sent = bytearray()
        self.waiting = False
        self.aborted = False
        self.broken = False
        self.room = 1 << 40  # octets that may still be held
        self._clock = clock
        self._deadline = 0.0
        self._event = asyncio.Event()
        clock.watchers.append(self._time_passes)

    def write(self, octets: bytes) -> None:
        self.sent += octets

    async def drain(self) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise ConnectionResetError

    async def wait(self, seconds: float) -> bool:
        if seconds <= 0 and not self._event.is_set():
            await asyncio.sleep(0)
            return False
        self._deadline = self._clock.seconds + seconds
        self.waiting = True
        try:
            await self._event.wait()
        finally:
            self.waiting = False
            self._event.clear()
        return self._clock.seconds < self._deadline

    def wake(self) -> None:
        self._event.set()

    def has_room(self, octets: int) -> bool:
        return octets <= self.room

    def reserve(self, octets: int) -> bool:
        if octets > self.room:
            return False
        self.room -= octets
        return True

    def give_back(self, octets: int) -> None:
        self.room += octets

    @property
    def quiet(self) -> bool:
        """The session waits, and nothing has come that would end that."""
        return self.waiting and not self._event.is_set()

    async def start_tls(self) -> None:
        self.secure, self.may_start_tls = True, False

    def abort(self) -> None:
        self.aborted = True

    def _time_passes(self) -> None:
        if self.waiting and self._clock.seconds >= self._deadline:
            self._event.set()
