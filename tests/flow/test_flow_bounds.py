"""One message to very many recipients is cut into legs of bounded size, and its targets are bounded in sum."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.directory.model import Destination, Remote
from mailyard.message.address import Address
from mailyard.router.routing import MOST_LEG_TARGETS
from mailyard.router.routinghandler import RoutingHandler
from tests.flow.parts import Flow


class Wide:
    """A directory in which every address of wide.test is an alias of a thousand remote addresses, and no other one is."""

    def __init__(self) -> None:
        self.asked = 0

    def resolve_cached(self, address: Address) -> None:
        return None

    async def expand_many(self, addresses: Sequence[Address]) -> list[tuple[Destination, ...]]:
        self.asked += len(addresses)
        return [tuple(members(address)) for address in addresses]


def members(address: Address) -> Iterable[Destination]:
    if address.domain != "wide.test":
        yield Destination(address, Remote(address.domain))
        return
    for number in range(1000):
        yield Destination(Address(f"{address.local}-{number}", "far.test"), Remote("far.test"))


async def test_a_thousand_aliases_of_a_thousand_addresses_fail_beyond_the_bound(flow: Flow) -> None:
    wide = Wide()
    intake = RoutingHandler(
        flow.store, cast("Any", wide), cast("TicketPublisher", flow.broker), most_targets=2000
    )
    spool_id = await flow.accept(*(f"a{number}@wide.test" for number in range(1000)), sender="bob@one.test")
    await intake.handle(flow.broker.take(Queue.SMTP_IN_ROUTE))
    assert wide.asked == 1000
    rows = [row async for row in flow.store.collection("spool").find({"_id": {"$gt": f"{spool_id}."}})]
    sizes = [len(row.get("pending", ())) or len(row["outcomes"]) for row in rows]
    assert max(sizes) <= MOST_LEG_TARGETS
    sent = flow.broker.take(Queue.REMOTE_FILTER)
    assert sum(len(ticket.recipients) for ticket in sent) == 2000
    failed = [outcome for row in rows for outcome in row.get("outcomes", {}).values()]
    assert (len(failed), {outcome["status"] for outcome in failed}) == (998, {"5.5.3"})
    assert (await flow.unaccounted())["wide"] == 0


async def test_the_aliases_of_one_message_take_no_room_from_a_message_that_is_routed_with_it(
    flow: Flow,
) -> None:
    intake = RoutingHandler(
        flow.store, cast("Any", Wide()), cast("TicketPublisher", flow.broker), most_targets=2000
    )
    wide = await flow.accept(*(f"a{number}@wide.test" for number in range(60)), sender="bob@one.test")
    plain = await flow.accept(*(f"u{number}@plain.test" for number in range(3)), sender="bob@one.test")
    await intake.handle(flow.broker.take(Queue.SMTP_IN_ROUTE))
    sent = flow.broker.take(Queue.REMOTE_FILTER)
    assert [each.address for ticket in sent if ticket.spool_id == plain for each in ticket.recipients] == [
        f"u{number}@plain.test" for number in range(3)
    ]
    assert (await flow.row(plain))["state"] == "active"
    assert sum(len(ticket.recipients) for ticket in sent if ticket.spool_id == wide) == 2000


async def test_a_message_to_more_mailboxes_than_a_leg_holds_goes_in_several_legs(flow: Flow) -> None:
    addresses = [f"u{number}@remote.test" for number in range(250)]
    spool_id = await flow.accept(*addresses)
    await flow.route()
    sent = flow.broker.take(Queue.REMOTE_FILTER)
    assert [len(ticket.recipients) for ticket in sent] == [100, 100, 50]
    assert [target.index for target in sent[2].recipients] == list(range(50))
    assert {target.address for ticket in sent for target in ticket.recipients} == set(addresses)
    assert (await flow.row(spool_id))["state"] == "split"
    assert await flow.unaccounted() == {"remote": 0}
