"""`make run CHECK=1` as a person calls it, with everything real."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mailyard.local.paths import REPOSITORY
from mailyard.local.ports import Ports, PortsTaken, require_free

SECONDS = 240


def free_base() -> int:
    for base in range(10_000, 23_000, 700):  # below the ports that the kernel gives to clients
        try:
            require_free(Ports(base))
        except PortsTaken:
            continue
        return base
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    own = {
        "MAILYARD_LOCAL_DIR": str(tmp_path_factory.mktemp("local")),
        "MAILYARD_PORT_BASE": str(free_base()),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("MAILYARD_")} | own


def check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "mailyard.local", "run", "--check")
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=False, text=True, capture_output=True, timeout=SECONDS
    )


def left_running(environment: dict[str, str]) -> list[str]:
    folder = environment["MAILYARD_LOCAL_DIR"]
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("MAILYARD_LOCAL_DIR") == folder
            if ours or folder in " ".join(process.cmdline()):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_a_mail_goes_through_twice_and_the_accounts_of_the_first_start_stay(environment: dict[str, str]):
    access = Path(environment["MAILYARD_LOCAL_DIR"]) / "access.json"
    first = check(environment)
    assert first.returncode == 0, first.stdout + first.stderr
    accounts = json.loads(access.read_text())["accounts"]
    assert stat.S_IMODE(access.stat().st_mode) == 0o600
    assert re.search(r"tested +one mail from anna@alpha.test to ben@beta.test, [0-9.]+ s", first.stdout)
    assert left_running(environment) == []
    second = check(environment)
    assert second.returncode == 0, second.stdout + second.stderr
    assert json.loads(access.read_text())["accounts"] == accounts
    assert left_running(environment) == []


@pytest.mark.slow
def test_a_stop_in_the_middle_of_the_start_leaves_nothing_running(environment: dict[str, str]):
    command = (sys.executable, "-m", "mailyard.local", "run")
    book = Path(environment["MAILYARD_LOCAL_DIR"]) / "processes.json"
    book.unlink(missing_ok=True)
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE) as supervisor:
        deadline = time.monotonic() + 60
        while not book.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        supervisor.send_signal(signal.SIGINT)
        supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0
    assert left_running(environment) == []
