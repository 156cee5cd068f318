"""Hygiene as a real client sees it: swaks, of the Debian package of this name."""

import asyncio
import shutil

import pytest

from mailyard.listening.listener import Listener

pytestmark = pytest.mark.skipif(
    shutil.which("swaks") is None, reason="swaks is not installed (apt-get install swaks)"
)
_REFUSED_RECIPIENT = 24  # exit status of swaks
_REFUSED_CONNECTION = 21


async def swaks(listener: Listener, *options: str) -> tuple[int, str]:
    """Send a mail to ann@one.test; return exit status and transcript."""
    host, port = listener.addresses[0][:2]
    process = await asyncio.create_subprocess_exec(
        "swaks", "--server", host, "--port", str(port), "--from", "x@there.test", "--to", "ann@one.test", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_a_listed_client_reads_the_name_of_the_list(service, hygiene, dns_server) -> None:
    dns_server.add("1.0.0.127.bl.test", "A", "127.0.0.2")
    hygiene(dnsbl="refuse", dnsbl_lists=("bl.test",))
    status, said = await swaks(await service.open(), "--helo", "mx.there.test")
    assert status == _REFUSED_RECIPIENT
    assert "<** 550 5.7.1 Client host [127.0.0.1] is listed by bl.test; see the web site of the list" in said


async def test_a_bad_name_is_refused_and_a_good_one_taken(service, hygiene) -> None:
    hygiene(helo_check="refuse")
    listener = await service.open()
    status, said = await swaks(listener, "--helo", "localhost")
    assert status == _REFUSED_RECIPIENT
    assert "550 5.7.1 HELO name localhost is no fully qualified host name" in said
    status, said = await swaks(listener, "--helo", "mx.there.test")
    assert status == 0
    assert len(service.spool.accepted) == 1


async def test_a_client_above_a_limit_is_refused_in_place_of_the_greeting(service, hygiene) -> None:
    hygiene(client_limits="refuse", client_connections=1)
    listener = await service.open()
    assert (await swaks(listener, "--helo", "mx.there.test"))[0] == 0
    status, said = await swaks(listener, "--helo", "mx.there.test")
    assert status == _REFUSED_CONNECTION
    assert "421 4.7.0 Too many connections from your network" in said


async def test_a_patient_client_waits_for_the_greeting_and_its_late_refusals(service, hygiene) -> None:
    hygiene(greeting_seconds=0.3, early_talker="refuse", tarpit_seconds=0.3, tarpit_refusals=0)
    listener = await service.open()
    assert (await swaks(listener, "--helo", "mx.there.test"))[0] == 0
    status, said = await swaks(listener, "--helo", "mx.there.test", "--to", "nobody@one.test")
    assert status == _REFUSED_RECIPIENT
    assert "550 5.1.1" in said
