"""One try at one leg: host after host, transaction after transaction, with hosts of every temper."""

import asyncio
import time
from collections.abc import Collection

import pytest
from bson import ObjectId

from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.relay.attempt import HOSTS_SECONDS, DeliveryAttempt, LeaseLost, RecipientAnswer
from mailyard.relay.bodyreader import BodyReader
from mailyard.relay.busy import SiteBusy
from mailyard.relay.connectionlimiter import ConnectionLimiter, ConnectionLimits
from mailyard.relay.connector import ClientProfile, Connector, tls_contexts
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits, network_keys
from mailyard.relay.outgoing import OutgoingMessage
from mailyard.relay.pool import Pool, PoolLimits
from mailyard.relay.replytimer import Timeouts
from mailyard.relay.route import Host, RelayRoute
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.client import Security
from mailyard.store.blobs import BodyMissing

OPEN = "S: 220 mx.example ESMTP\nC: EHLO\nS: 250-mx.example\nS: 250 PIPELINING\n"
TAKES = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody\nS: 250 2.0.0 Queued\n"
BODY = b"Subject: x\r\n\r\nhello\r\n"
TIMEOUTS = Timeouts(1, 1, 1, 1, 1, 1, 1)


def clear(name: str, port: int, address: str = "127.0.0.1") -> Host:
    return Host(name, port, (address,), TlsPolicy(Security.NONE))


class Blobs:
    """One body, or a store that is away, or one that has lost it."""

    def __init__(self, body: bytes | Exception | None = BODY) -> None:
        self.body = body

    async def read_many(self, blob_ids: Collection[ObjectId]) -> dict[ObjectId, bytes]:
        if isinstance(self.body, Exception):
            raise self.body
        return {} if self.body is None else dict.fromkeys(blob_ids, self.body)

    async def stream(self, blob_id: ObjectId, start: int = 0, end: int | None = None):
        raise NotImplementedError
        yield b""


@pytest.fixture
def pool():
    lent = Pool(
        Connector(ClientProfile("relay.example"), TIMEOUTS, tls_contexts(None)),
        ConnectionLimiter(ConnectionLimits()),
        PoolLimits(site_connections=2, site_waiting=5, waiting_seconds=0.2),
        time.monotonic,
    )
    yield lent
    lent.close()


async def attempt(
    pool: Pool,
    *ports: int,
    to: int = 1,
    most: int = 100,
    blobs: Blobs | None = None,
    ours: bool = True,
    domain: str = "example",
) -> list[RecipientAnswer]:
    ticket = Ticket(
        blob_id=ObjectId().binary,
        size=len(BODY),
        sender="alice@a.example",
        recipients=[Recipient(address=f"user{number}@b.example", index=number) for number in range(to)],
    )
    hosts = tuple(clear(f"mx{n}.{domain}", port) for n, port in enumerate(ports))
    route = RelayRoute(hosts)
    message = OutgoingMessage(ticket, BodyReader(blobs or Blobs()))
    return await DeliveryAttempt(message, route, pool, most_recipients=most, permitted=lambda: ours).run()


def said(answers: list[RecipientAnswer]) -> list[str]:
    return [str(answer.reply) for answer in answers]


async def test_the_first_host_takes_it(pool: Pool, peer) -> None:
    first, second = await peer(OPEN + TAKES), await peer(OPEN + TAKES)
    (answer,) = await attempt(pool, first.port, second.port)
    assert str(answer.reply) == "250 2.0.0 Queued"
    assert answer.peer == f"mx0.example[127.0.0.1]:{first.port}"
    assert first.bodies == [BODY + b".\r\n"]
    assert second.connections == 0


@pytest.mark.parametrize(
    "script",
    [
        "cut",
        "hang",
        "S: 554 No service",
        "S: 421 Busy",
        "S: garbage",
        OPEN + "C: MAIL\nS: 421 Busy",
        OPEN + "C: MAIL\ncut",
        OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 421 Closing",
        OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\ncut",
        OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody\nS: 421 Closing",
    ],
)
async def test_what_did_not_reach_the_message_goes_to_the_next_host(pool: Pool, peer, script: str) -> None:
    first, second = await peer(script), await peer(OPEN + TAKES)
    answers = await attempt(pool, first.port, second.port)
    assert said(answers) == ["250 2.0.0 Queued"]
    assert second.bodies == [BODY + b".\r\n"]


async def test_all_hosts_of_a_domain_are_tried(pool: Pool, peer, unused_tcp_port_factory) -> None:
    dead = [unused_tcp_port_factory() for _ in range(15)]
    last = await peer(OPEN + TAKES)
    assert said(await attempt(pool, *dead, last.port)) == ["250 2.0.0 Queued"]


async def test_a_host_that_is_ourselves_ends_the_attempt(peer) -> None:
    profile = ClientProfile("relay.example", own_names=frozenset({"mx.example"}))
    lent = Pool(
        Connector(profile, TIMEOUTS, tls_contexts(None)),
        ConnectionLimiter(ConnectionLimits()),
        PoolLimits(),
        time.monotonic,
    )
    first, second = await peer(OPEN), await peer(OPEN + TAKES)
    answers = await attempt(lent, first.port, second.port, to=2)
    assert [(each.reply.code, each.reply.enhanced) for each in answers] == [(554, "5.4.6")] * 2
    assert second.connections == 0
    lent.close()


async def test_a_closed_port_goes_to_the_next_host(pool: Pool, peer, unused_tcp_port: int) -> None:
    second = await peer(OPEN + TAKES)
    assert said(await attempt(pool, unused_tcp_port, second.port)) == ["250 2.0.0 Queued"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 550 5.1.1 No\nS: 554 No\n", "550 5.1.1 No"),
        (OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 451 Greylisted\nS: 554 No\n", "451 Greylisted"),
        (
            OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody\nclose",
            "421 4.4.2 the server closed the connection",
        ),
        (
            OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody\nS: 451 4.3.0 Disk\n",
            "451 4.3.0 Disk",
        ),
    ],
)
async def test_a_host_s_word_and_a_message_in_doubt_stand(
    pool: Pool, peer, script: str, expected: str
) -> None:
    first, second = await peer(script), await peer(OPEN + TAKES)
    assert said(await attempt(pool, first.port, second.port)) == [expected]
    assert second.connections == 0


async def test_when_no_host_is_left_the_last_reason_counts(pool: Pool, peer, unused_tcp_port: int) -> None:
    first = await peer("S: 421 4.3.2 Busy")
    answers = await attempt(pool, unused_tcp_port, first.port, to=2)
    assert said(answers) == ["421 4.3.2 Busy"] * 2


async def test_who_was_answered_is_not_sent_to_the_next_host(pool: Pool, peer) -> None:
    first = await peer(
        OPEN
        + "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\n"
        + "S: 250 Ok\nS: 550 5.1.1 No\nS: 250 Ok\nS: 421 4.3.2 Closing\n"
    )
    second = await peer(OPEN + TAKES)
    answers = await attempt(pool, first.port, second.port, to=2)
    assert said(answers) == ["550 5.1.1 No", "250 2.0.0 Queued"]
    assert [line for line in second.lines if line.startswith(b"RCPT")] == [b"RCPT TO:<user1@b.example>\r\n"]


async def test_a_kept_connection_that_the_host_has_closed_is_made_anew(pool: Pool, peer, wait_until) -> None:
    host = await peer(OPEN + TAKES + "C: MAIL\ncut", OPEN + TAKES)
    assert said(await attempt(pool, host.port)) == ["250 2.0.0 Queued"]
    assert said(await attempt(pool, host.port)) == ["250 2.0.0 Queued"]
    assert host.connections == 2


async def test_a_kept_connection_is_used_again(pool: Pool, peer) -> None:
    host = await peer(OPEN + TAKES + TAKES)
    for _ in range(2):
        assert said(await attempt(pool, host.port)) == ["250 2.0.0 Queued"]
    assert host.connections == 1


async def test_many_recipients_go_in_several_transactions(pool: Pool, peer) -> None:
    two = "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody\nS: 250 2.0.0 Two\n"
    host = await peer(OPEN + two + two + TAKES)
    answers = await attempt(pool, host.port, to=5, most=2)
    assert said(answers) == ["250 2.0.0 Two"] * 4 + ["250 2.0.0 Queued"]
    assert host.connections == 1


async def test_recipients_that_are_too_many_for_one_transaction_go_in_the_next(pool: Pool, peer) -> None:
    crowded = (
        "C: MAIL\nC: RCPT\nC: RCPT\nC: RCPT\nC: DATA\n"
        "S: 250 Ok\nS: 250 Ok\nS: 452 4.5.3 Too many\nS: 452 4.2.2 Full\nS: 354 Go on\nbody\nS: 250 2.0.0 First\n"
    )
    host = await peer(OPEN + crowded + TAKES)
    answers = await attempt(pool, host.port, to=3)
    assert said(answers) == ["250 2.0.0 First", "250 2.0.0 Queued", "452 4.2.2 Full"]


async def test_too_many_when_nobody_was_taken_is_a_deferral(pool: Pool, peer) -> None:
    host = await peer(OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 452 4.5.3 Too many\nS: 554 No\n")
    assert said(await attempt(pool, host.port)) == ["452 4.5.3 Too many"]


async def test_a_busy_host_raises_when_nobody_was_answered(pool: Pool, peer) -> None:
    tarpit = await peer(OPEN + "C: MAIL\nhang")
    slow = [asyncio.create_task(attempt(pool, tarpit.port)) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(SiteBusy):
        await attempt(pool, tarpit.port)
    for answers in await asyncio.gather(*slow):
        assert "timed out" in answers[0].reply.text
    assert tarpit.most_open == 2


async def test_a_slow_host_does_not_stop_others(pool: Pool, peer) -> None:
    tarpit, quick = await peer(OPEN + "C: MAIL\nhang"), await peer(OPEN + TAKES * 20)
    slow = [asyncio.create_task(attempt(pool, tarpit.port)) for _ in range(4)]
    await asyncio.sleep(0.02)
    began = time.monotonic()
    for _ in range(20):
        assert said(await attempt(pool, quick.port, domain="quick.example")) == ["250 2.0.0 Queued"]
    assert time.monotonic() - began < 0.9
    assert not any(task.done() and not task.exception() for task in slow)
    await asyncio.gather(*slow, return_exceptions=True)


@pytest.mark.parametrize("error", [Unavailable("away"), None])
async def test_a_message_that_cannot_be_read_is_not_half_sent(pool: Pool, peer, error) -> None:
    host = await peer(OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody")
    with pytest.raises(Unavailable if error else BodyMissing):
        await attempt(pool, host.port, blobs=Blobs(error))
    assert host.bodies == []


async def test_a_leg_that_is_not_ours_any_more_is_not_sent(pool: Pool, peer) -> None:
    host = await peer(OPEN + TAKES)
    with pytest.raises(LeaseLost):
        await attempt(pool, host.port, ours=False)
    assert host.bodies == []


async def test_who_was_relayed_before_the_claim_was_lost_is_reported(pool: Pool, peer) -> None:
    host = await peer(OPEN + TAKES * 3)
    ours = iter([True, False])
    ticket = Ticket(
        blob_id=ObjectId().binary,
        size=len(BODY),
        recipients=[Recipient(address=f"user{number}@b.example", index=number) for number in range(3)],
    )
    route = RelayRoute((clear("mx.example", host.port),))
    message = OutgoingMessage(ticket, BodyReader(Blobs()))
    answers = await DeliveryAttempt(
        message, route, pool, most_recipients=1, permitted=lambda: next(ours)
    ).run()
    assert [each.reply.code for each in answers] == [250, 451, 451]
    assert len(host.bodies) == 1


async def test_no_further_host_is_tried_after_ten_minutes(pool: Pool, peer, unused_tcp_port: int) -> None:
    second = await peer(OPEN + TAKES)
    times = iter([0.0, HOSTS_SECONDS])
    ticket = Ticket(blob_id=ObjectId().binary, size=len(BODY), recipients=[Recipient(address="x@b.example")])
    ports = (unused_tcp_port, second.port)
    hosts = tuple(clear(f"mx{port}.example", port) for port in ports)
    (answer,) = await DeliveryAttempt(
        OutgoingMessage(ticket, BodyReader(Blobs())),
        RelayRoute(hosts),
        pool,
        most_recipients=1,
        permitted=lambda: True,
        clock=lambda: next(times),
    ).run()
    assert answer.reply.enhanced == "4.4.1"
    assert second.connections == 0


def crowded() -> tuple[Pool, NetworkLimiter]:
    """A pool that has as many connections to 127.0.0.9 as it may have."""
    networks = NetworkLimiter(NetworkLimits(address=1))
    networks.take("127.0.0.9")
    pool = Pool(
        Connector(ClientProfile("relay.example"), TIMEOUTS, tls_contexts(None), networks=networks),
        ConnectionLimiter(ConnectionLimits()),
        PoolLimits(waiting_seconds=5),
        time.monotonic,
        networks=networks,
    )
    return pool, networks


async def at(pool: Pool, *hosts: Host) -> list[RecipientAnswer]:
    ticket = Ticket(blob_id=ObjectId().binary, size=len(BODY), recipients=[Recipient(address="x@b.example")])
    route = RelayRoute(hosts)
    message = OutgoingMessage(ticket, BodyReader(Blobs()))
    return await DeliveryAttempt(message, route, pool, most_recipients=1, permitted=lambda: True).run()


async def test_when_all_addresses_of_a_host_are_in_use_the_next_host_is_tried(peer) -> None:
    second = await peer(OPEN + TAKES)
    pool, _ = crowded()
    hosts = (clear("mx1.example", 25, "127.0.0.9"), clear("mx2.example", second.port))
    assert said(await at(pool, *hosts)) == ["250 2.0.0 Queued"]
    pool.close()


async def test_when_no_other_host_takes_it_a_leg_waits_for_an_address_that_is_in_use(
    peer, wait_until, unused_tcp_port: int
) -> None:
    host = await peer(OPEN + TAKES)
    pool, networks = crowded()
    networks.take("127.0.0.1")
    hosts = (
        clear("mx1.example", host.port),
        clear("mx2.example", unused_tcp_port, "127.0.0.2"),
    )
    sending = asyncio.create_task(at(pool, *hosts))
    await wait_until(lambda: networks.is_awaited(network_keys("127.0.0.1")))
    assert host.connections == 0
    networks.free("127.0.0.1")
    assert said(await sending) == ["250 2.0.0 Queued"]
    pool.close()
