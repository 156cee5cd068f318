"""The sink takes mail for every domain, and refuses where a person wants to see a refusal."""

import asyncio
import json
import smtplib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailyard.probe.boxes import Counter, Directory, Memory, Taken
from mailyard.probe.sink import Sink

MAIL = b"Subject: x\r\n\r\n.dot\r\n\xff\0\r\n"


async def speak(port: int, talk: Callable[[smtplib.SMTP], Any]) -> Any:
    def connected() -> Any:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            return talk(client)

    return await asyncio.to_thread(connected)


def mails(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.eml"))


async def test_mail_for_any_domain_is_kept_octet_for_octet() -> None:
    memory = Memory()
    async with Sink(memory) as sink:
        await speak(sink.port, lambda client: client.sendmail("a@x.test", ["b@y.test", "c@z.test"], MAIL))
    assert memory.messages == [Taken("a@x.test", ("b@y.test", "c@z.test"), MAIL)]


@pytest.mark.parametrize(("local", "code"), [("refuse-me", 550), ("defer", 451)])
async def test_recipients_ask_for_refusals_by_their_name(local: str, code: int) -> None:
    memory = Memory()
    async with Sink(memory) as sink:
        send = speak(
            sink.port, lambda client: client.sendmail("a@x.test", ["b@y.test", f"{local}@y.test"], MAIL)
        )
        refused = await send
    assert refused[f"{local}@y.test"][0] == code
    assert memory.messages[0].recipients == ("b@y.test",)


async def test_the_counter_counts_and_keeps_nothing() -> None:
    counter = Counter()
    async with Sink(counter) as sink:
        for _ in range(3):
            await speak(sink.port, lambda client: client.sendmail("a@x.test", ["b@y.test"], MAIL))
    assert (counter.messages, counter.recipients) == (3, 3)


async def test_a_directory_keeps_mail_and_envelope_and_goes_on_numbering(tmp_path: Path) -> None:
    for _ in range(2):
        async with Sink(Directory(tmp_path)) as sink:
            await speak(sink.port, lambda client: client.sendmail("a@x.test", ["b@y.test"], MAIL))
    assert mails(tmp_path) == ["00000001.eml", "00000002.eml"]
    assert (tmp_path / "00000002.eml").read_bytes() == MAIL
    envelope = json.loads((tmp_path / "00000002.json").read_text())
    assert envelope == {"sender": "a@x.test", "recipients": ["b@y.test"]}


async def test_a_message_that_breaks_off_is_not_kept() -> None:
    memory = Memory()
    async with Sink(memory) as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        writer.write(b"EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n")
        await reader.readuntil(b"354")
        writer.write(b"half\r\n")
        writer.close()
        await speak(sink.port, lambda client: client.sendmail("a@x.test", ["b@y.test"], MAIL))
    assert [taken.octets for taken in memory.messages] == [MAIL]
