"""The filter on a real broker and a real store: what becomes of messages, and of the filter when servers fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from bson import ObjectId

from mailyard.broker.connection import Broker
from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import Queue, Route, stage_of
from mailyard.broker.publisher import PublishFailed, TicketPublisher
from mailyard.filter.check import Check
from mailyard.filter.contents import ContentReader
from mailyard.filter.inspector import Inspector
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.pipeline import Pipeline
from mailyard.filter.rules.contentcheck import ContentCheck
from mailyard.filter.rules.patterns import Comparison, Pattern
from mailyard.filter.rules.rule import Condition, LookAt, Rule
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.finding import Finding, finding_message
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.spool import Spool
from mailyard.spool.queue.stage import StageReports
from mailyard.spool.row import COLLECTION
from mailyard.spool.schema import ensure_schema
from mailyard.store.blobs import Blobs
from mailyard.store.body import CHUNK_SIZE, Body
from mailyard.store.client import Store

LIMIT = 20.0
INCOMING = {Route.LOCAL: Queue.LOCAL_FILTER, Route.REMOTE: Queue.REMOTE_FILTER}
ONWARD = {Route.LOCAL: Queue.LOCAL_DELIVER, Route.REMOTE: Queue.REMOTE_SEND}


async def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT:g} s: {what}"
        await asyncio.sleep(0.01)


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    yield store
    await store.close()


class Published:
    """A publisher that remembers, and can fail."""

    def __init__(self) -> None:
        self.tickets: list[tuple[Queue, Ticket]] = []
        self.broken = False

    async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
        if self.broken:
            raise PublishFailed(queue, tickets, "the broker is away")
        for ticket in tickets:
            copy = Ticket()
            copy.CopyFrom(ticket)
            self.tickets.append((queue, copy))


@pytest.fixture
def published() -> Published:
    return Published()


async def accepted(store: Store, *bodies: bytes, source: Source = Source.MX) -> list[Ticket]:
    """Tickets of messages that stand in the spool."""
    routed = Published()
    spool = Spool(store, routed, stage="test")
    for body in bodies:
        await spool.accept(
            Acceptance(
                sender="sender@there.test",
                recipients=(Recipient(address="joe@here.test", tenant="here"),),
                tenant="here",
                source=source,
                client=TransferringClient("192.0.2.1", "there.test", "ESMTP"),
                body=Body(ObjectId(), len(body), body),
                prefix=lambda spool_id, _at: f"Received: {spool_id}\r\n".encode(),
            )
        )
    return [ticket for _, ticket in routed.tickets]


def rule(name: str, word: str, action: Action, look_at: LookAt = LookAt.BODY, **more) -> Rule:
    header = b"subject" if look_at is LookAt.HEADER else b""
    condition = Condition(look_at, header, (Pattern(Comparison.CONTAINS, word),))
    return Rule(name, (condition,), action, **more)


RULES = [
    rule("tagged", "tag me", Action.ACTION_TAG, fields=(b"X-Mailyard-Rule: tagged\r\n",)),
    rule("junk", "junk me", Action.ACTION_QUARANTINE),
    rule("refused", "refuse me", Action.ACTION_REJECT, status="5.7.9", text="no thanks"),
    rule("dropped", "drop me", Action.ACTION_DISCARD),
]


def inspector(
    store: Store,
    publisher,
    *rules: Rule,
    direction=Route.LOCAL,
    limit=1 << 20,
    checks: Sequence[Check] = (),
):
    rule_set = RuleSet(rules)
    pipeline = Pipeline([ContentCheck(lambda: rule_set), *checks])
    reports = StageReports(stage_of(INCOMING[direction]), Outcomes(store))
    return Inspector(reports, pipeline, ContentReader(store, limit), publisher, batch_octets=1 << 24)


async def row_of(store: Store, ticket: Ticket) -> dict:
    row = await store.collection(COLLECTION).find_one({"_id": ticket.spool_id})
    assert row is not None
    return row


async def test_messages_go_on_with_their_verdict(store, published):
    tickets = await accepted(store, b"\r\nhello\r\n", b"\r\ntag me\r\n", b"\r\njunk me and tag me\r\n")
    await inspector(store, published, *RULES).handle(tickets)
    assert [queue for queue, _ in published.tickets] == [Queue.LOCAL_DELIVER] * 3
    verdicts = [ticket.verdict for _, ticket in published.tickets]
    assert [verdict.action for verdict in verdicts] == [
        Action.ACTION_PASS,
        Action.ACTION_TAG,
        Action.ACTION_QUARANTINE,
    ]
    assert verdicts[1].header_fields == b"X-Mailyard-Rule: tagged\r\n"
    assert [finding.rule for finding in verdicts[2].findings] == ["tagged", "junk"]
    (step,) = published.tickets[2][1].timeline
    assert (step.stage, step.event, step.detail) == (
        "filter",
        "message.filtered",
        "quarantine: rules/tagged rules/junk",
    )


async def test_a_rejected_message_ends_as_bounced_and_its_sender_is_told(store, published):
    (ticket,) = await accepted(store, b"\r\nrefuse me\r\n", source=Source.SUBMISSION)
    await inspector(store, published, *RULES).handle([ticket])
    row = await row_of(store, ticket)
    assert published.tickets == []
    assert row["state"] == "done"
    assert "bounce_at" in row
    outcome = row["outcomes"]["0"]
    assert (outcome["result"], outcome["status"], outcome["text"]) == ("bounced", "5.7.9", "no thanks")
    assert [step["event"] for step in row["timeline"]] == ["message.filtered", "message.failed"]


async def test_a_discarded_message_ends_and_nobody_is_told(store, published):
    (ticket,) = await accepted(store, b"\r\ndrop me, refuse me\r\n")
    await inspector(store, published, *RULES).handle([ticket])
    row = await row_of(store, ticket)
    assert published.tickets == []
    assert row["outcomes"]["0"]["result"] == "discarded"
    assert "bounce_at" not in row
    assert [step["event"] for step in row["timeline"]] == ["message.filtered", "message.discarded"]


async def test_remote_mail_goes_on_to_the_relay(store, published):
    tickets = await accepted(store, b"\r\njunk me\r\n")
    await inspector(store, published, *RULES, direction=Route.REMOTE).handle(tickets)
    ((queue, ticket),) = published.tickets
    assert (queue, ticket.verdict.action) == (Queue.REMOTE_SEND, Action.ACTION_TAG)


def copies(tickets):
    """The tickets as the consumer gives them to each try."""
    return [Ticket.FromString(ticket.SerializeToString()) for ticket in tickets]


async def test_a_broker_that_is_away_changes_nothing_when_the_batch_comes_again(store, published):
    tickets = await accepted(store, b"\r\nhello\r\n", b"\r\nrefuse me\r\n", source=Source.SUBMISSION)
    filtering = inspector(store, published, *RULES)
    published.broken = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await filtering.handle(copies(tickets))
    published.broken = False
    await filtering.handle(copies(tickets))
    ((_, ticket),) = published.tickets
    assert len(ticket.timeline) == 1
    assert [step["event"] for step in (await row_of(store, tickets[1]))["timeline"]] == [
        "message.filtered",
        "message.failed",
    ]


async def test_a_message_whose_body_is_missing_waits_and_is_not_lost(store, published):
    (ticket, other) = await accepted(store, b"\r\nhello\r\n", b"\r\nhello\r\n")
    await store.collection("mail.chunks").delete_many({"files_id": ObjectId(ticket.blob_id)})
    await store.collection("mail.files").delete_many({"_id": ObjectId(ticket.blob_id)})
    await inspector(store, published, *RULES).handle([ticket, other])
    assert [each.spool_id for _, each in published.tickets] == [other.spool_id]
    row = await row_of(store, ticket)
    assert (row["state"], row["reason"]["status"]) == ("deferred", "4.3.0")
    assert "verdict" not in row


async def test_bodies_are_left_alone_when_no_rule_must_see_them(store, published):
    tickets = await accepted(store, b"\r\nhello\r\n")
    await store.collection("mail.chunks").drop()
    await store.collection("mail.files").drop()
    await inspector(store, published, rule("big", "x", Action.ACTION_TAG, LookAt.TENANT)).handle(tickets)
    assert len(published.tickets) == 1


@pytest.mark.parametrize(("place", "found"), [(50_000, True), (150_000, False)])
async def test_only_the_start_of_a_large_body_is_looked_at(store, published, place, found):
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body = bytearray(b"Content-Type: text/plain\r\n\r\n" + line * 10_000)
    body[place : place + 9] = b"\r\ntag me\n"
    tickets = await accepted(store)
    writer = Spool(store, Published(), stage="test").blobs.writer()
    await writer.write(bytes(body))
    stored = await writer.finish()
    (ticket,) = await accepted(store, b"x")
    ticket.blob_id, ticket.size = stored.blob_id.binary, stored.size
    await inspector(store, published, *RULES, limit=100_000).handle([*tickets, ticket])
    assert (published.tickets[0][1].verdict.action == Action.ACTION_TAG) is found


async def test_a_header_is_found_in_front_of_a_large_body(store, published):
    writer = Spool(store, Published(), stage="test").blobs.writer()
    await writer.write(b"Subject: tag me\r\n\r\n" + b"x" * 400_000)
    stored = await writer.finish()
    (ticket,) = await accepted(store, b"x")
    ticket.blob_id, ticket.size = stored.blob_id.binary, stored.size
    await inspector(store, published, rule("subject", "tag me", Action.ACTION_TAG, LookAt.HEADER)).handle(
        [ticket]
    )
    assert published.tickets[0][1].verdict.action == Action.ACTION_TAG


async def test_a_poisonous_message_waits_with_the_reason_in_its_row(store, published):
    (ticket,) = await accepted(store, b"\r\nhello\r\n")
    ticket.verdict.action = Action.ACTION_PASS
    await inspector(store, published).poison(ticket, ValueError("odd"))
    row = await row_of(store, ticket)
    assert (row["state"], row["route"]) == ("deferred", "local")
    assert "ValueError('odd')" in row["reason"]["text"]
    assert "verdict" not in row


class Engine(Check):
    """A check as a virus or spam engine will be: not asked about mail of the tenant `exempt`."""

    name = "engine"

    def __init__(self) -> None:
        self.is_unreachable = False

    def applies_to(self, envelope: MailEnvelope) -> bool:
        return envelope.tenant != "exempt"

    def needs(self, envelope: MailEnvelope) -> Need:
        return Need.HEADER

    async def examine(self, mail: Mail) -> Sequence[Finding]:
        if self.is_unreachable:
            raise Unavailable("the engine is unreachable")
        return [Finding(self.name, "score", Action.ACTION_TAG, "spam", score=7.5)]


async def test_findings_of_several_checks_are_one_verdict(store, published):
    tickets = await accepted(store, b"\r\njunk me\r\n")
    await inspector(store, published, *RULES, checks=[Engine()]).handle(tickets)
    verdict = published.tickets[0][1].verdict
    assert verdict.action == Action.ACTION_QUARANTINE
    assert [(each.check, each.score) for each in verdict.findings] == [("rules", 0), ("engine", 7.5)]


async def test_an_unreachable_engine_delays_the_mails_that_need_it_and_no_other(store, published):
    needing, exempt = await accepted(store, b"\r\nhello\r\n", b"\r\nhello\r\n")
    exempt.tenant = "exempt"
    engine = Engine()
    engine.is_unreachable = True
    filtering = inspector(store, published, checks=[engine])
    await filtering.handle([needing, exempt])
    assert [ticket.spool_id for _, ticket in published.tickets] == [exempt.spool_id]
    row = await row_of(store, needing)
    assert (row["state"], row["reason"]["status"]) == ("deferred", "4.3.0")
    assert "engine: the engine is unreachable" in row["reason"]["text"]
    assert "verdict" not in row


async def test_findings_of_the_smtp_dialogue_count_in_the_verdict(store, published):
    (ticket,) = await accepted(store, b"\r\nhello\r\n")
    found = Finding("spf", "fail", Action.ACTION_TAG, fields=(b"X-SPF: fail\r\n",))
    ticket.findings.append(finding_message(found))
    await inspector(store, published).handle([ticket])
    verdict = published.tickets[0][1].verdict
    assert (verdict.action, verdict.header_fields) == (Action.ACTION_TAG, b"X-SPF: fail\r\n")


class Counting(Check):
    """Counts the octets of whole messages."""

    name = "counting"

    def needs(self, envelope: MailEnvelope) -> Need:
        return Need.WHOLE

    async def examine(self, mail: Mail) -> Sequence[Finding]:
        pieces = [piece async for piece in mail.octets()]
        assert max(map(len, pieces)) <= CHUNK_SIZE
        return [Finding(self.name, "octets", Action.ACTION_PASS, str(sum(map(len, pieces))))]


@pytest.mark.parametrize("size", [0, 1000, 1_000_000])
async def test_a_check_that_needs_the_whole_message_gets_every_octet_in_pieces(store, published, size):
    writer = Spool(store, Published(), stage="test").blobs.writer()
    await writer.write(b"x" * size)
    body = await writer.finish()
    await Blobs(store).put_many([body])
    (ticket,) = await accepted(store, b"x")
    ticket.blob_id, ticket.size = body.blob_id.binary, body.size
    await inspector(store, published, limit=100_000, checks=[Counting()]).handle([ticket])
    (found,) = published.tickets[0][1].verdict.findings
    assert int(found.text) == len(ticket.prefix) + size


async def test_a_whole_message_that_is_not_wholly_in_the_store_waits(store, published):
    (ticket,) = await accepted(store, b"x" * 200_000)
    ticket.size += 1
    await store.collection("mail.files").update_many({}, {"$inc": {"length": 400_000}})
    await inspector(store, published, limit=100_000, checks=[Counting()]).handle([ticket])
    assert published.tickets == []
    assert (await row_of(store, ticket))["state"] == "deferred"


@pytest.mark.parametrize("direction", [Route.LOCAL, Route.REMOTE])
async def test_tickets_go_from_queue_to_queue(store, vhost_url, direction):
    broker = Broker(vhost_url, "filter-test")
    await broker.start()
    publisher = TicketPublisher(broker)
    tickets = await accepted(
        store, *[b"\r\nhello %d\r\n" % number for number in range(120)], b"\r\ndrop me\r\n"
    )
    received: list[Ticket] = []

    async def receive(batch: Sequence[Ticket]) -> None:
        received.extend(batch)

    filtering = inspector(store, publisher, *RULES, direction=direction)
    consumers = [
        TicketConsumer(broker, INCOMING[direction], filtering.handle, on_poison=filtering.poison),
        TicketConsumer(broker, ONWARD[direction], receive),
    ]
    for consumer in consumers:
        await consumer.start()
    try:
        await publisher.publish(INCOMING[direction], tickets)
        await eventually(lambda: len(received) == 120, "120 filtered tickets in the next queue")
        assert {ticket.spool_id for ticket in received} == {ticket.spool_id for ticket in tickets[:120]}
        assert (await row_of(store, tickets[120]))["state"] == "done"
    finally:
        for consumer in consumers:
            await consumer.drain()
            await consumer.close()
        await broker.close()


async def test_what_was_cut_stands_in_verdict_and_timeline_and_in_the_log(store, published, capsys):
    (ticket,) = await accepted(store, b"Subject: x\r\nSubject: y\r\n\r\n" + b"x" * 100_000)
    await inspector(store, published, *RULES, limit=65_536).handle([ticket])
    ((_, sent),) = published.tickets
    assert list(sent.verdict.defects) == ["content-cut"]
    assert sent.timeline[0].detail == "pass (content-cut)"
    assert "filter.incomplete" in capsys.readouterr().out


async def test_a_header_longer_than_the_first_read_is_read_to_its_end(store, published):
    header = b"X: " + b"x" * 100_000 + b"\r\nSubject: tag me\r\n\r\n"
    (ticket,) = await accepted(store, header + b"y" * 500_000)
    tagging = rule("tagged", "tag me", Action.ACTION_TAG, LookAt.HEADER)
    await inspector(store, published, tagging).handle([ticket])
    ((_, sent),) = published.tickets
    assert (sent.verdict.action, list(sent.verdict.defects)) == (Action.ACTION_TAG, [])


async def test_mail_from_outside_that_a_rule_rejects_goes_to_junk_and_nobody_gets_a_bounce(store, published):
    (ticket,) = await accepted(store, b"\r\nrefuse me\r\n")
    assert ticket.source == Source.MX
    await inspector(store, published, *RULES).handle([ticket])
    ((queue, sent),) = published.tickets
    assert (queue, sent.verdict.action) == (Queue.LOCAL_DELIVER, Action.ACTION_QUARANTINE)
    assert "bounce_at" not in await row_of(store, ticket)


@pytest.mark.parametrize(("protocol", "ends"), [("ESMTPS", False), ("LMTP", False), ("ESMTPSA", True)])
async def test_a_ticket_of_0_2_0_bounces_only_if_its_received_field_names_a_login(
    store, published, protocol, ends
):
    (ticket,) = await accepted(store, b"\r\nrefuse me\r\n")
    ticket.ClearField("origin")
    ticket.ClearField("source")
    ticket.prefix = (
        f"Received: from a (unknown [192.0.2.1])\r\n\tby b (Mailyard) with {protocol} id x\r\n".encode()
    )
    await inspector(store, published, *RULES).handle([ticket])
    row = await row_of(store, ticket)
    assert ("bounce_at" in row, published.tickets == []) == (ends, ends)
