"""A full disk: mail is deferred with 4xx, what was acknowledged stays, and everything continues when there is space again."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.postbox import SENDER, Sent, differences, fetch_all, send_all
from tests.trial import accounts
from tests.trial.instance import Instance, free_port_base
from tests.trial.smtp import ConnectionEnded, Outcome, SmtpConnection
from tests.trial.waiting import until

DISK = "1100m"
BALLAST = 300 * 2**20
MAIL_OCTETS = 4 * 2**20
MOST_MAILS = 600


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def mail(number: int) -> bytes:
    """Octets that no compression makes smaller."""
    chance = random.Random(number)
    lines = (chance.randbytes(600).hex().encode() + b"\r\n" for _ in range(MAIL_OCTETS // 1202))
    return b"From: a@sender.test\r\nSubject: filler %d\r\n\r\n" % number + b"".join(lines)


async def send_until_deferred(
    instance: Instance, recipient: str, numbers: range, pause_seconds: float = 0.0
) -> tuple[dict[int, bytes], str]:
    """Send large mails; what was acknowledged, and the words that ended it."""
    taken: dict[int, bytes] = {}
    for number in numbers:
        try:
            connection = await SmtpConnection.open("127.0.0.1", instance.ports.listener("smtp"))
        except ConnectionEnded as error:
            return taken, str(error)
        octets = mail(number)
        result = await connection.send(SENDER, [recipient], octets)
        await connection.close()
        if result.outcome is not Outcome.ACKNOWLEDGED:
            return taken, f"{result.reply.code} {result.reply.text}" if result.reply else result.outcome.value
        taken[number] = octets
        await asyncio.sleep(pause_seconds)
    return taken, "never deferred"


def fill(file: Path) -> None:
    """Fill the rest of the disk."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(2**20))


async def assert_kept(instance: Instance, recipient: str, taken: dict[int, bytes]) -> None:
    """After space was freed: all services ready, a new mail passes, and every acknowledged one is there once."""
    await until(instance.ready, seconds=180, what="all services ready again after space was freed")
    [late] = await eventually_sent(instance, recipient)
    found = await fetch_all(instance, recipient, len(taken) + 1)
    copies = {number: sum(one.endswith(octets) for one in found) for number, octets in taken.items()}
    assert {number: count for number, count in copies.items() if count != 1} == {}
    assert differences([late], [octets for octets in found if octets.endswith(late.octets)]) == []


@pytest.mark.slow
async def test_mail_is_deferred_with_452_before_the_disk_is_full_and_taken_again_when_there_is_room(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    reserve = {"MAILYARD_SMTP_IN_DISK_FREE_PERCENT": "30"}
    with Instance(small_disk / "local", free_port_base(), reserve) as instance:
        [recipient] = await accounts.add_accounts(instance.mongo_url, "full", "full.test", ["reader"])
        await asyncio.to_thread(ballast.write_bytes, bytes(BALLAST))
        # smtp-in looks at the disk every few seconds: what comes in meanwhile must fit the reserve.
        taken, refusal = await send_until_deferred(instance, recipient, range(MOST_MAILS), pause_seconds=0.25)
        assert taken, "some mails should fit"
        assert refusal.startswith("452 4.3.1"), refusal
        ballast.unlink()
        await assert_kept(instance, recipient, taken)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["mongod", "rabbitmq"])
async def test_a_disk_that_runs_full_under_store_or_broker_loses_nothing(
    server: str, small_disk: Path, tmp_path: Path
) -> None:
    """Only the server's data lie on the full disk, as a volume does; the server itself may die of it."""
    local, ballast = tmp_path / "local", small_disk / "ballast"
    local.mkdir()
    (small_disk / server).mkdir()
    (local / server).symlink_to(small_disk / server)
    with Instance(local, free_port_base()) as instance:
        [recipient] = await accounts.add_accounts(instance.mongo_url, "full", "full.test", ["reader"])
        before, _ = await send_until_deferred(instance, recipient, range(5))
        await asyncio.to_thread(fill, ballast)
        during, _ = await send_until_deferred(instance, recipient, range(5, 10))
        ballast.unlink()
        if server == "rabbitmq":
            # The log writer of RabbitMQ 3.10 stays dead after ENOSPC; an operator, or a liveness probe, restarts it.
            instance.signal("rabbitmq", signal.SIGKILL)
        await assert_kept(instance, recipient, before | during)


async def eventually_sent(instance: Instance, recipient: str) -> list[Sent]:
    """The mail that a patient sender tries until it is taken."""
    message = b"From: a@sender.test\r\nSubject: after the flood\r\n\r\nhello\r\n"
    async with asyncio.timeout(120):
        while True:
            try:
                return await send_all(instance, recipient, [("late", message)])
            except (AssertionError, ConnectionEnded):
                await asyncio.sleep(1)
