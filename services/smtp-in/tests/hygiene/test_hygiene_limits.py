"""Limits, recipient probing and the tarpit in the dialogue."""

import asyncio
import time

import pytest

from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.hooks import SmtpContext
from mailyard.smtp_in.hygiene.clientlimits import ClientLimits, MinuteLimits
from mailyard.smtp_in.hygiene.modes import modes_of
from mailyard.smtp_in.hygiene.probing import RecipientProbing
from mailyard.smtp_in.hygiene.scope import HygieneScope
from mailyard.smtp_in.hygiene.tarpit import Tarpit
from mailyard.smtp_in.peer import SmtpPeer

SCOPE = HygieneScope(["mx"], ())
REFUSE = modes_of("refuse")
UNKNOWN = reply(550, "5.1.1", "No such address here")


def context(ip: str) -> SmtpContext:
    return SmtpContext("mx", Mode.MX, SmtpPeer(ip))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_connections_beyond_the_limit_get_421_in_place_of_the_greeting(service, hygiene) -> None:
    hygiene(client_limits="refuse", client_connections=2)
    listener = await service.open()
    for _ in range(2):
        await service.client(listener)
    third = await service.client(listener, "")
    assert await third.reply() == "421 4.7.0 Too many connections from your network, please try again later"
    assert await third.ended()
    assert await service.client(listener, source="127.0.1.7")


async def test_messages_and_recipients_beyond_the_limit_are_deferred(service, hygiene) -> None:
    hygiene(client_limits="refuse", client_messages=2, client_recipients=3)
    client = await service.client(await service.open())
    said = await client.envelope("ann@one.test", "bob@one.test", "nobody@one.test", "cat@two.test")
    deferral = "451 4.7.1 Too many {} from your network, please try again later"
    assert said[2:] == ["250 2.1.5 Ok", "550 5.1.1 No such address here", deferral.format("recipients")]
    await client.ask("RSET")
    assert await client.ask("MAIL FROM:<x@there.test>", "RSET", "MAIL FROM:<x@there.test>") == [
        "250 2.1.0 Ok", "250 2.0.0 Ok", deferral.format("messages"),
    ]  # fmt: skip


async def test_a_noted_limit_refuses_nothing(service, hygiene) -> None:
    hygiene(client_limits="note", client_messages=1, client_connections=1)
    listener = await service.open()
    await service.client(listener)
    client = await service.client(listener)
    for _ in range(2):
        await client.envelope("ann@one.test")
        await client.message("x")
    rules = [[each.rule for each in accepted.findings] for accepted in service.spool.accepted]
    assert rules == [["connections"], ["connections", "messages"]]


async def test_a_client_with_many_errors_may_not_connect_again(service, hygiene) -> None:
    hygiene(client_limits="refuse", client_errors=3)
    listener = await service.open()
    client = await service.client(listener)
    await client.ask("NONSENSE", "RCPT TO:<x@one.test>")
    await client.envelope("nobody@one.test")
    again = await service.client(listener, "")
    assert await again.reply() == "421 4.7.0 Too many errors from your network, please try again later"


def test_a_network_may_do_four_times_as_much_and_ipv6_rotation_does_not_help() -> None:
    clock = Clock()
    limits = ClientLimits(SCOPE, REFUSE, MinuteLimits(connections=10), clock)
    taken = [limits.on_connect(context(f"192.0.2.{host}")) is None for host in range(1, 101)]
    assert sum(taken) == 40
    rotating = [limits.on_connect(context(f"2001:db8:1:{n:x}::{n:x}")) is None for n in range(1000)]
    assert sum(rotating) == 40
    one = [limits.on_connect(context(f"2001:db8:2:1::{n:x}")) is None for n in range(100)]
    assert sum(one) == 10
    clock.now = 60.0
    assert limits.on_connect(context("192.0.2.1")) is None


async def test_a_client_that_probes_recipients_pauses_and_learns_nothing_more(service, hygiene) -> None:
    hygiene(recipient_probing="refuse", recipient_probing_unknown=3, recipient_probing_seconds=600)
    listener = await service.open()
    client = await service.client(listener)
    said = await client.envelope(*(f"x{n}@one.test" for n in range(4)), "ann@one.test", "x5@one.test")
    text = "Too many unknown recipients from your network, please try again later"
    assert [each[:9] for each in said[1:5]] == ["550 5.1.1"] * 4
    assert said[5:] == [f"450 4.7.1 {text}"] * 2
    assert await client.ask("RSET", "MAIL FROM:<x@there.test>") == ["250 2.0.0 Ok", f"450 4.7.1 {text}"]
    again = await service.client(listener, "")
    assert await again.reply() == f"421 4.7.0 {text}"
    other = await service.client(listener, source="127.0.1.7")
    assert (await other.envelope("ann@one.test"))[1] == "250 2.1.5 Ok"


def test_a_pause_ends_and_a_network_of_many_clients_pauses_as_a_whole() -> None:
    clock = Clock()
    probing = RecipientProbing(SCOPE, REFUSE, 10, 60.0, clock)
    for host in range(41):
        probing.on_refused(context(f"192.0.2.{host}"), UNKNOWN)
    assert isinstance(probing.on_connect(context("192.0.2.200")), Reply)
    assert probing.on_connect(context("192.0.3.1")) is None
    clock.now = 61.0
    assert probing.on_connect(context("192.0.2.200")) is None


def test_only_unknown_recipients_count() -> None:
    probing = RecipientProbing(SCOPE, REFUSE, 1, 60.0, Clock())
    for _ in range(20):
        probing.on_refused(context("192.0.2.1"), reply(451, "4.7.1", "Greylisted"))
    assert probing.on_connect(context("192.0.2.1")) is None


async def test_refusals_after_the_first_ones_come_late_and_others_do_not(service, hygiene) -> None:
    hygiene(tarpit_seconds=0.3, tarpit_refusals=2)
    client = await service.client(await service.open())
    began = time.monotonic()
    await client.envelope("x1@one.test", "x2@one.test", "ann@one.test")
    assert time.monotonic() - began < 0.25
    said = await client.ask("RCPT TO:<x3@one.test>", "RCPT TO:<bob@one.test>")
    assert time.monotonic() - began >= 0.3
    assert said == ["550 5.1.1 No such address here", "250 2.1.5 Ok"]


async def test_a_client_that_leaves_while_its_reply_waits_is_forgotten(service, hygiene, eventually) -> None:
    hygiene(tarpit_seconds=5.0, tarpit_refusals=0)
    client = await service.client(await service.open())
    await client.ask("MAIL FROM:<x@there.test>")
    client.send(b"RCPT TO:<x1@one.test>\r\n")
    await eventually(lambda: len(service.directory.resolved) > 0)
    client.reset()
    await eventually(lambda: service.admission._total == 0)


async def test_the_server_stops_while_replies_wait(service, hygiene) -> None:
    hygiene(tarpit_seconds=0.5, tarpit_refusals=0)
    listener = await service.open()
    client = await service.client(listener)
    client.send(b"MAIL FROM:<x@there.test>\r\nRCPT TO:<x1@one.test>\r\n")
    assert (await client.reply())[:3] == "250"
    draining = asyncio.create_task(listener.drain())
    assert (await client.reply())[:9] == "550 5.1.1"
    await client.ask("RSET")
    assert (await client.reply())[:3] == "421"
    async with asyncio.timeout(10):
        await draining


def test_no_more_replies_wait_than_are_allowed() -> None:
    clock = Clock()
    tarpit = Tarpit(SCOPE, 5.0, 0, 10, clock)
    waits = [tarpit.on_refused(context("192.0.2.1"), UNKNOWN) for _ in range(12)]
    assert waits == [5.0] * 10 + [0.0] * 2
    clock.now = 5.0
    assert tarpit.on_refused(context("192.0.2.1"), UNKNOWN) == 5.0


@pytest.mark.parametrize("count", [300])
async def test_replies_that_wait_are_timers_and_not_tasks(service, hygiene, count) -> None:
    hygiene(tarpit_seconds=20.0, tarpit_refusals=0)
    service.admission._most_per_address = 0
    service.admission.most = 1000
    listener = await service.open()
    clients = [await service.client(listener) for _ in range(count)]
    before = len(asyncio.all_tasks())
    for client in clients:
        assert (await client.ask("MAIL FROM:<x@there.test>"))[0][:3] == "250"
        client.send(b"RCPT TO:<x1@one.test>\r\n")
    await asyncio.sleep(0.2)
    assert len(asyncio.all_tasks()) <= before + 1
