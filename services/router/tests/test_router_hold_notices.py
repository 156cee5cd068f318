"""The contact of a tenant gets one mail, and the webhook one call, when mail begins to be held."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from bson import ObjectId
from pydantic import SecretStr, ValidationError
from router_doubles import BrokerInMemory

from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.sending.rows import Change, Sender, SendingRows, SubjectKind
from mailyard.directory.sending.windows import SendingTally
from mailyard.router.holdnotices import MOST_TRIES, HoldNotices
from mailyard.router.settings import RouterSettings
from mailyard.router.webhook import Webhook, WebhookFailed, _is_public, signature
from mailyard.runtime.clock import now_utc
from mailyard.spool.queue.spool import Spool
from mailyard.spool.row import COLLECTION
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store

SECRET = "a secret of the tests"
ANNA = Sender(SubjectKind.ACCOUNT, str(ObjectId()), "acme", "anna@example.org")
WHY = "account anna@example.org: 11 recipients within a day, 10 are permitted"


@dataclass
class Receiver:
    """A web server that answers each call with the next of `statuses`, and with the last of them from then on."""

    statuses: list[bytes] = field(default_factory=lambda: [b"204 No Content"])
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        self.calls.append((fields, await reader.readexactly(int(fields["content-length"]))))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status:
            writer.write(b"HTTP/1.1 " + status + b"\r\nLocation: http://127.0.0.1:1/\r\n\r\n")
            await writer.drain()
            writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    await ensure_indexes(store)
    directory = Provisioning(store, Passwords(HashCost(1, 8, 1)), now_utc)
    await directory.add_tenant("acme", contact="admin@contact.test")
    await directory.add_tenant("other")
    yield store
    await store.close()


@dataclass
class Scene:
    store: Store
    broker: BrokerInMemory = field(default_factory=BrokerInMemory)
    ahead: timedelta = timedelta(seconds=5)

    def notices(self, **settings: object) -> HoldNotices:
        spool = Spool(self.store, cast("Any", self.broker), stage="router")
        given = RouterSettings(hostname="mail.test", **settings)
        return HoldNotices(self.store, spool, given, clock=lambda: now_utc() + self.ahead)

    async def hold(self, sender: Sender = ANNA) -> None:
        await SendingRows(self.store).add([Change(sender, SendingTally(), WHY)])

    async def mails(self) -> list[dict[str, Any]]:
        return await self.store.collection(COLLECTION).find({}).to_list()

    async def text(self) -> str:
        (row,) = await self.mails()
        spool = Spool(self.store, cast("Any", self.broker), stage="router")
        return (await spool.blobs.read_many([row["blob"]]))[row["blob"]].decode()


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


async def all_of(notices: HoldNotices) -> None:
    while await notices.work():
        pass


async def test_the_contact_gets_one_mail_that_says_what_to_do(scene: Scene) -> None:
    await scene.hold()
    await asyncio.gather(*(all_of(scene.notices()) for _ in range(3)))
    (row,) = await scene.mails()
    assert (row["sender"], row["recipients"][0]["address"]) == ("", "admin@contact.test")
    text = await scene.text()
    assert "To: <admin@contact.test>\r\nSubject: Mail of anna@example.org is held\r\n" in text
    assert "Auto-Submitted: auto-generated\r\n" in text
    assert "\r\nDate: " in text
    assert "b'" not in text
    assert WHY in text
    assert "mailyard held discard anna@example.org --block --yes" in text
    await scene.hold()  # it goes on
    await all_of(scene.notices())
    assert len(await scene.mails()) == 1


async def test_a_tenant_without_a_contact_is_reported_to_the_postmaster_or_to_nobody(scene: Scene) -> None:
    await scene.hold(Sender(SubjectKind.TENANT, "other", "other"))
    await all_of(scene.notices(postmaster="post@provider.test"))
    (row,) = await scene.mails()
    assert row["recipients"][0]["address"] == "post@provider.test"
    assert "Mail of the tenant other beyond the limit is held" in await scene.text()
    await scene.hold(Sender(SubjectKind.DOMAIN, "other.net", "other"))
    await all_of(scene.notices())
    assert len(await scene.mails()) == 1


async def test_the_webhook_gets_one_call_with_a_signature(scene: Scene, receiver: Receiver) -> None:
    await scene.hold()
    await all_of(with_webhook(scene, receiver))
    ((fields, body),) = receiver.calls
    value = json.loads(body)
    assert value.pop("since").endswith("Z")
    assert value == {
        "event": "mail.held",
        "subject": "account",
        "name": "anna@example.org",
        "tenant": "acme",
        "reason": WHY,
        "host": "mail.test",
    }
    second, _, digest = fields["mailyard-signature"].removeprefix("t=").partition(",sha256=")
    assert digest == signature(SECRET.encode(), int(second), body)
    assert fields["mailyard-delivery"].startswith(f"held/account/{ANNA.name}/")


def with_webhook(scene: Scene, receiver: Receiver) -> HoldNotices:
    return scene.notices(
        hold_webhook_url=receiver.url, hold_webhook_secret=SecretStr(SECRET), hold_webhook_private=True
    )


@pytest.mark.parametrize("status", [b"500 No", b"302 Found", b"404 Not Found", b"junk"])
async def test_a_webhook_that_fails_is_called_again_later_and_no_second_mail_is_sent(
    scene: Scene, receiver: Receiver, status: bytes
) -> None:
    receiver.statuses = [status, b"200 OK"]
    await scene.hold()
    notices = with_webhook(scene, receiver)
    await all_of(notices)
    assert len(receiver.calls) == 1
    scene.ahead += timedelta(minutes=2)
    await all_of(notices)
    assert len(receiver.calls) == 2
    assert receiver.calls[0][0]["mailyard-delivery"] == receiver.calls[1][0]["mailyard-delivery"]
    scene.ahead += timedelta(days=2)
    await all_of(notices)
    assert (len(receiver.calls), len(await scene.mails())) == (2, 1)


async def test_a_webhook_that_always_fails_is_given_up(scene: Scene, receiver: Receiver) -> None:
    receiver.statuses = [b"500 No"]
    await scene.hold()
    notices = with_webhook(scene, receiver)
    for _ in range(MOST_TRIES + 5):
        await all_of(notices)
        scene.ahead += timedelta(hours=2)
    assert (len(receiver.calls), len(await scene.mails())) == (MOST_TRIES, 1)


async def test_a_router_that_dies_before_it_has_told_leaves_the_notice_to_another(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.hold()
    first = scene.notices()

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(first, "_call", die)  # after the mail
    with pytest.raises(asyncio.CancelledError):
        await first.work()
    second = scene.notices()
    assert await second.work() is False  # claimed
    scene.ahead += timedelta(minutes=1)
    assert await second.work() is True
    assert len(await scene.mails()) == 1


async def test_a_webhook_that_does_not_answer_is_left_after_a_time(receiver: Receiver) -> None:
    receiver.statuses = [b""]
    webhook = Webhook(receiver.url, SECRET.encode(), permits_private=True, seconds=0.2)
    with pytest.raises(WebhookFailed, match=r"did not answer within 0\.2 s"):
        await webhook.call({}, "key", now_utc())


async def test_a_webhook_that_answers_without_end_is_cut_off() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _ = reader
        while not writer.is_closing():
            writer.write(b"x" * 4096)
            await writer.drain()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    webhook = Webhook(f"http://127.0.0.1:{port}", SECRET.encode(), permits_private=True, seconds=5)
    with pytest.raises(WebhookFailed, match="cannot be called"):
        await webhook.call({}, "key", now_utc())
    server.close()


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "10.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254"]
)
async def test_a_private_address_is_not_called_unless_that_is_permitted(host: str) -> None:
    with pytest.raises(WebhookFailed, match="not public"):
        await Webhook(f"https://{host}/", SECRET.encode()).call({}, "key", now_utc())


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("192.88.99.1", True),
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert _is_public(address) is public


@pytest.mark.parametrize(
    ("url", "secret", "reason"),
    [
        ("http://hook.test/", SECRET, "no URL like https"),
        ("https://", SECRET, "no URL like https"),
        ("https://user@hook.test/", SECRET, "no URL like https"),
        ("https://hook.test/", "short", "less than 16 characters"),
        ("https://hook.test/a b", SECRET, "cannot have"),
        ("ftp://hook.test/", SECRET, "no URL like https"),
    ],
)
def test_a_webhook_that_is_not_possible_stops_the_start(url: str, secret: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        RouterSettings(hold_webhook_url=url, hold_webhook_secret=SecretStr(secret))


def test_without_a_url_there_is_no_webhook() -> None:
    made: Callable[[], object] = RouterSettings().hold_webhook
    assert made() is None
