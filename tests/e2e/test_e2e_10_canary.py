"""`mailyard canary` against a whole Mailyard: it reports each leg, and leaves nothing behind."""

import asyncio
import imaplib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mailyard.local.processes import free_port
from mailyard.probe.canary import Canary
from mailyard.probe.mailserver import Login, MailServer, Trust
from mailyard.probe.message import compose
from mailyard.probe.roundtrip import Roundtrip
from mailyard.runtime.clock import now_utc
from mailyard.runtime.endpoint import Endpoint
from mailyard.spool.watch.canary import Canary as CanaryRows
from mailyard.spool.watch.canary import CanaryRun
from mailyard.store.client import Store
from tests.trial import accounts
from tests.trial.instance import Instance, free_port_base

COMMAND = str(Path(sys.executable).with_name("mailyard"))
LINE = re.compile(r"(\w+) +\d+\.\d\d s  (.*)")


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance whose relay ends in a sink that sends echoes to its MX listener."""
    folder = tmp_path_factory.mktemp("canary")
    base, port = free_port_base(), free_port()
    instance = Instance(folder / "local", base, {"MAILYARD_RELAY_NEXT_HOP": f"smtp://127.0.0.1:{port}"})
    listen, home = f"127.0.0.1:{port}", f"127.0.0.1:{instance.ports.listener('smtp')}"
    sink = subprocess.Popen((COMMAND, "sink", "--listen", listen, "--echo-to", home))
    try:
        with instance:
            yield instance
    finally:
        sink.terminate()
        assert sink.wait(10) == 0


@pytest.fixture(scope="module")
def canary_account(echoing: Instance) -> str:
    [address] = asyncio.run(accounts.add_accounts(echoing.mongo_url, "canaries", "canaries.test", ["canary"]))
    return address


def run_canary(
    instance: Instance, account: str, folder: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    secret = folder / "password"
    secret.write_text(f"{accounts.PASSWORD}\n")
    config = ("--config", str(instance.layout.environment))
    options = [f"--{name}=127.0.0.1:{instance.ports.listener(name)}" for name in ("submission", "imap")]
    account_options = (f"--account={account}", f"--password-file={secret}", "--timeout=30")
    command = (COMMAND, *config, "canary", *account_options, *options, *more)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def authority(instance: Instance) -> str:
    return f"--ca-file={instance.layout.tls / 'ca.pem'}"


def legs(text: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for line in text.splitlines() if (found := LINE.fullmatch(line))]


def inbox(instance: Instance, account: str) -> int:
    with imaplib.IMAP4("127.0.0.1", instance.ports.listener("imap")) as client:
        client.login(account, accounts.PASSWORD)
        return int(client.select("INBOX", readonly=True)[1][0] or b"0")


def recorded(instance: Instance) -> list[CanaryRun]:
    async def latest() -> list[CanaryRun]:
        store = Store(instance.mongo_url, "mailyard")
        try:
            return await CanaryRows(store).latest()
        finally:
            await store.close()

    return asyncio.run(latest())


def test_both_legs_arrive_are_recorded_and_leave_nothing_behind(
    echoing: Instance, canary_account: str, tmp_path: Path
) -> None:
    done = run_canary(
        echoing, canary_account, tmp_path, authority(echoing), "--echo=echo@far.example", "--record"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert legs(done.stdout) == [("local", "arrived"), ("echo", "arrived")]
    assert [(run.leg, run.succeeded) for run in recorded(echoing)] == [("echo", True), ("local", True)]
    assert inbox(echoing, canary_account) == 0


def test_without_an_echo_there_is_one_leg(echoing: Instance, canary_account: str, tmp_path: Path) -> None:
    done = run_canary(echoing, canary_account, tmp_path, "--insecure-tls")
    assert (done.returncode, legs(done.stdout)) == (0, [("local", "arrived")])


def test_a_certificate_that_nobody_vouches_for_ends_the_leg_and_is_recorded(
    echoing: Instance, canary_account: str, tmp_path: Path
) -> None:
    done = run_canary(echoing, canary_account, tmp_path, "--record")
    assert (done.returncode, done.stdout) == (1, "")
    assert "FAILED: The test mail" in done.stderr
    assert "certificate verify failed" in done.stderr
    assert {run.leg: run.succeeded for run in recorded(echoing)}["local"] is False


def test_a_certificate_may_have_another_name_than_the_host(
    echoing: Instance, canary_account: str, tmp_path: Path
) -> None:
    named = run_canary(echoing, canary_account, tmp_path, authority(echoing), "--tls-name=mailyard.test")
    assert (named.returncode, named.stderr) == (0, "")
    misnamed = run_canary(echoing, canary_account, tmp_path, authority(echoing), "--tls-name=other.test")
    assert misnamed.returncode == 1
    assert "other.test" in misnamed.stderr


def test_a_leg_that_does_not_arrive_in_time_is_reported(
    echoing: Instance, canary_account: str, tmp_path: Path
) -> None:
    lost = run_canary(
        echoing, canary_account, tmp_path, authority(echoing), "--echo=nobody@far.example", "--timeout=2"
    )
    assert lost.returncode == 1
    assert legs(lost.stdout) == [("local", "arrived")]
    assert legs(lost.stderr) == [
        ("echo", f"FAILED: The test mail was accepted but is not in the INBOX of {canary_account} in time")
    ]


def test_what_earlier_runs_did_not_wait_for_is_tidied_away(echoing: Instance, canary_account: str) -> None:
    trust = Trust(insecure=True)
    submission, imap = (
        MailServer(Endpoint("127.0.0.1", echoing.ports.listener(name)), trust)
        for name in ("submission", "imap")
    )
    login = Login(canary_account, accounts.PASSWORD)
    way = Roundtrip(submission, login, imap, login)
    for subject in ("Mailyard canary: local", "Something else"):
        way.pass_through(compose(canary_account, canary_account, subject, "x", now_utc()), 30)
    [result] = Canary(submission, imap, login, 30, lambda: now_utc() + timedelta(days=3)).run(None)
    assert (result.leg, result.succeeded) == ("local", True)
    assert inbox(echoing, canary_account) == 1
