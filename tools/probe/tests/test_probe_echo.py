"""Mail for `echo` comes back to its sender, once, and never in a loop."""

import asyncio
import io
import json
import smtplib
from functools import partial

import pytest

from mailyard.probe.boxes import Memory, Taken
from mailyard.probe.echo import WAITING, Echo, Echoer, echo_of, send_echo
from mailyard.probe.sink import Sink
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.logs import configure_logs

MAIL = b"Subject: x\r\nMessage-ID: <1@a.test>\r\n\r\n.dot \xff\r\n"
ASKED = Taken("anna@a.test", ("echo@far.test",), MAIL)
PREFIX = b"X-Mailyard-Echo: echo@far.test\r\nAuto-Submitted: auto-replied\r\n"


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # the condition is another party's
            await asyncio.sleep(0.01)


def test_a_mail_for_echo_goes_back_to_its_sender_with_a_mark():
    assert echo_of(ASKED) == Echo("anna@a.test", PREFIX + MAIL)


@pytest.mark.parametrize(
    "taken",
    [
        Taken("anna@a.test", ("ben@far.test", "echoes@far.test"), MAIL),
        Taken("", ("echo@far.test",), MAIL),
        Taken("anna@a.test", ("echo@far.test",), PREFIX + MAIL),
        Taken("anna@a.test", ("echo@far.test",), PREFIX.replace(b"X-Mail", b"x-mAIL") + MAIL),
    ],
    ids=["nobody-asked", "null-reverse-path", "an-echo", "an-echo-in-other-case"],
)
def test_nothing_goes_back_for_other_mail(taken):
    assert echo_of(taken) is None


def test_a_mark_in_the_text_is_no_mark():
    assert echo_of(Taken("anna@a.test", ("ECHO@far.test",), MAIL + PREFIX)) is not None


async def test_an_echo_has_the_null_reverse_path_and_all_octets():
    home = Memory()
    async with Sink(home) as mx:
        await asyncio.to_thread(send_echo, Endpoint("127.0.0.1", mx.port), Echo("anna@a.test", MAIL))
    assert home.messages == [Taken("", ("anna@a.test",), MAIL)]


async def test_two_sinks_that_echo_to_each_other_end_after_one_echo():
    here, there = Memory(), Memory()
    ports: dict[str, int] = {}

    def send(to: str, echo: Echo) -> None:
        send_echo(Endpoint("127.0.0.1", ports[to]), echo)

    async with (
        Echoer(here, partial(send, "there")) as echoing_here,
        Echoer(there, partial(send, "here")) as echoing_there,
        Sink(echoing_here) as first,
        Sink(echoing_there) as second,
    ):
        ports |= {"here": first.port, "there": second.port}
        echoing_here.keep(Taken("echo@there.test", ("echo@here.test",), MAIL))
        await until(lambda: there.messages)
        await asyncio.to_thread(send_echo, Endpoint("127.0.0.1", first.port), Echo("end@here.test", b"\r\n"))
    assert there.messages == [Taken("", ("echo@there.test",), PREFIX.replace(b"far", b"here") + MAIL)]
    assert [taken.recipients for taken in here.messages] == [("echo@here.test",), ("end@here.test",)]


async def test_a_try_that_fails_is_repeated():
    home: list[Echo] = []
    failures = [OSError("away"), smtplib.SMTPServerDisconnected("gone")]

    def send(echo: Echo) -> None:
        if failures:
            raise failures.pop()
        home.append(echo)

    async with Echoer(Memory(), send, pauses=(0, 0)) as box:
        box.keep(ASKED)
        await until(lambda: home)
    assert [echo.recipient for echo in home] == ["anna@a.test"]


async def test_an_echo_that_no_try_brings_home_is_dropped_with_a_word_and_the_next_one_goes():
    log = io.StringIO()
    configure_logs("sink", stream=log)
    home: list[str] = []

    def send(echo: Echo) -> None:
        if echo.recipient == "lost@a.test":
            raise smtplib.SMTPResponseException(451, b"not now")
        home.append(echo.recipient)

    async with Echoer(Memory(), send, pauses=(0,)) as box:
        box.keep(Taken("lost@a.test", ("echo@far.test",), MAIL))
        box.keep(ASKED)
        await until(lambda: home)
    said = json.loads(log.getvalue())
    assert (said["event"], said["error"]) == ("sink.echo_dropped", "SMTPResponseException: (451, b'not now')")
    assert home == ["anna@a.test"]


async def test_the_memory_for_echoes_is_bounded_and_the_sink_takes_mail_all_the_same():
    log = io.StringIO()
    configure_logs("sink", stream=log)
    inner = Memory()
    box = Echoer(inner, lambda _: None)  # not begun: nothing is sent
    for _ in range(WAITING + 1):
        box.keep(ASKED)
    assert len(inner.messages) == WAITING + 1
    assert json.loads(log.getvalue())["error"] == f"{WAITING} echoes wait already"
