"""The handler of the router's queue: what it looks up, what it publishes, and what rows say before that."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, cast

import pytest
from bson import ObjectId
from router_doubles import BrokerInMemory, accepted, metric, row_of

from mailyard.broker.pipeline import Queue
from mailyard.directory.model import Account, Destination, LocalAccount, Remote, Resolution, Unknown
from mailyard.message.address import Address
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router import routinghandler
from mailyard.router.routinghandler import RoutingHandler
from mailyard.runtime.errors import Unavailable
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store

ANNA = ObjectId("0" * 23 + "a")


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    opened = Store(mongo_url, database)
    await opened.start()
    await ensure_schema(opened)
    yield opened
    await opened.close()


class DirectoryInMemory:
    """Knows anna@one.test, aliases, and that other domains are remote; keeps what it was asked."""

    def __init__(self, aliases: Mapping[str, int] | None = None, *, cached: Iterable[str] = ()) -> None:
        """`aliases`: the number of remote members of each."""
        self._aliases = aliases or {}
        self._cached = set(cached)
        self.asked: list[list[str]] = []

    def resolve_cached(self, address: Address) -> Resolution | None:
        return self._ends(address)[0].resolution if str(address) in self._cached else None

    async def expand_many(self, addresses: Iterable[Address]) -> list[tuple[Destination, ...]]:
        wanted = list(addresses)
        self.asked.append([str(each) for each in wanted])
        return [self._ends(each) for each in wanted]

    def _ends(self, address: Address) -> tuple[Destination, ...]:
        if str(address) == "anna@one.test":
            account = LocalAccount(Account(ANNA, "one", address), "one", address, "")
            return (Destination(address, account),)
        if members := self._aliases.get(str(address)):
            return tuple(_remote(f"{address.local}{number}@remote.test") for number in range(members))
        if address.domain == "one.test":
            return (Destination(address, Unknown("no such address")),)
        return (_remote(str(address)),)


def _remote(text: str) -> Destination:
    address = Address.parse(text)
    return Destination(address, Remote(address.domain))


def router(
    store: Store, directory: DirectoryInMemory, broker: BrokerInMemory, most: int = 10_000
) -> RoutingHandler:
    return RoutingHandler(store, cast("Any", directory), cast("Any", broker), most_targets=most)


async def routed(
    store: Store, directory: DirectoryInMemory, *tickets: Ticket, most: int = 10_000
) -> BrokerInMemory:
    broker = BrokerInMemory()
    await router(store, directory, broker, most).handle(tickets)
    return broker


async def test_each_route_has_its_queue_and_its_count(store: Store) -> None:
    name = "mailyard_router_routed_total"
    queues = (Queue.LOCAL_FILTER, Queue.REMOTE_FILTER)
    before = [metric(name, queue=queue) for queue in queues]
    tickets = [await accepted(store, each) for each in ("anna@one.test", "x@remote.test", "y@remote.test")]
    broker = await routed(store, DirectoryInMemory(), *tickets)
    assert sorted(broker.addresses()) == [
        (Queue.LOCAL_FILTER, ["anna@one.test"]),
        (Queue.REMOTE_FILTER, ["x@remote.test"]),
        (Queue.REMOTE_FILTER, ["y@remote.test"]),
    ]
    assert broker.published[0][1].recipients[0].account == str(ANNA)
    assert [metric(name, queue=queue) - was for queue, was in zip(queues, before, strict=True)] == [1, 2]


async def test_a_row_says_remote_before_its_ticket_is_published(store: Store) -> None:
    ticket = await accepted(store, "x@remote.test")
    seen: list[tuple[str, str]] = []

    class Watching(BrokerInMemory):
        async def publish(self, queue: Queue, tickets: Any) -> None:
            row = await row_of(store, ticket)
            seen.append((row["route"], row["site"]))

    await router(store, DirectoryInMemory(), Watching()).handle([ticket])
    assert seen == [("remote", "remote.test")]


async def test_nothing_is_published_when_the_store_fails_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise Unavailable("the store is unreachable")

    monkeypatch.setattr(routinghandler, "mark_remote", fail)
    broker = BrokerInMemory()
    tickets = [await accepted(store, each) for each in ("anna@one.test", "x@remote.test")]
    with pytest.raises(Unavailable):
        await router(store, DirectoryInMemory(), broker).handle(tickets)
    assert broker.published == []


async def test_an_address_of_several_messages_is_looked_up_once_and_a_cached_one_not_at_all(
    store: Store,
) -> None:
    directory = DirectoryInMemory(cached=["anna@one.test"])
    tickets = [await accepted(store, "anna@one.test", "x@remote.test") for _ in range(3)]
    broker = await routed(store, directory, *tickets)
    assert directory.asked == [["x@remote.test"]]
    assert len(broker.published) == 6


@pytest.mark.parametrize("address", ["no-at-sign", "@one.test", "a b@one.test"])
async def test_what_is_no_address_fails_without_a_look_up(store: Store, address: str) -> None:
    """RFC 3463, X.1.3: bad destination mailbox address syntax."""
    directory, ticket = DirectoryInMemory(), await accepted(store, address)
    broker = await routed(store, directory, ticket)
    assert (directory.asked, broker.published) == ([], [])
    row = await row_of(store, ticket)
    assert (row["state"], row["outcomes"]["0"]["status"]) == ("done", "5.1.3")
    assert "bounce_at" in row


async def test_unknown_and_known_recipients_of_one_message_have_rows_of_their_own(store: Store) -> None:
    ticket = await accepted(store, "anna@one.test", "nobody@one.test")
    broker = await routed(store, DirectoryInMemory(), ticket)
    assert broker.addresses() == [(Queue.LOCAL_FILTER, ["anna@one.test"])]
    row = await row_of(store, ticket)
    assert row["state"] == "split"
    failed = await store.collection("spool").find_one({"outcomes.0.status": "5.1.1"})
    assert failed is not None
    assert failed["outcomes"]["0"]["address"] == "nobody@one.test"


@pytest.mark.parametrize(("members", "fits"), [(10, True), (11, False)])
async def test_an_alias_may_lead_a_message_to_as_many_targets_as_the_bound(
    store: Store, members: int, fits: bool
) -> None:
    ticket = await accepted(store, "list@one.test")
    broker = await routed(store, DirectoryInMemory({"list@one.test": members}), ticket, most=10)
    assert sum(len(each) for _, each in broker.addresses()) == (members if fits else 0)
    if not fits:
        outcome = (await row_of(store, ticket))["outcomes"]["0"]
        assert (outcome["result"], outcome["status"]) == ("bounced", "5.5.3")


async def test_one_message_does_not_use_the_bound_of_another(store: Store) -> None:
    directory = DirectoryInMemory({"list@one.test": 10, "other@one.test": 10})
    tickets = [await accepted(store, each) for each in ("list@one.test", "other@one.test")]
    broker = await routed(store, directory, *tickets, most=10)
    assert sorted(len(each) for _, each in broker.addresses()) == [10, 10]


async def test_recipients_of_a_large_message_are_looked_up_in_portions(store: Store) -> None:
    directory = DirectoryInMemory()
    ticket = await accepted(store, *(f"x{number}@remote.test" for number in range(250)))
    broker = await routed(store, directory, ticket)
    assert [len(each) for each in directory.asked] == [100, 100, 50]
    assert sum(len(each) for _, each in broker.addresses()) == 250


async def test_a_poisoned_ticket_waits_to_be_routed_again(store: Store) -> None:
    ticket = await accepted(store, "anna@one.test")
    await router(store, DirectoryInMemory(), BrokerInMemory()).poison(ticket, ValueError("broken"))
    row = await row_of(store, ticket)
    assert row["state"] == "deferred"
    assert "internal error in router" in row["reason"]["text"]
