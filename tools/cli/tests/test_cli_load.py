"""`mailyard load` against `mailyard sink`, both as processes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailyard.local.processes import free_port

COMMAND = str(Path(sys.executable).with_name("mailyard"))


@pytest.fixture(name="sink")
def running_sink() -> Iterator[str]:
    server = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen([COMMAND, "sink", "--listen", server], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield server
    process.terminate()
    process.wait(10)


def load(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "load", *arguments], check=False, capture_output=True, text=True, timeout=60
    )


def test_a_load_that_is_accepted_ends_with_0_and_says_how_fast_it_was(sink):
    done = load("--mx", sink, "--tls", "none", "--recipient", "b@y.test", "--mails", "5", "--rate", "100")
    assert done.returncode == 0
    assert done.stdout.startswith("accepted  5  (")
    assert "refused   0\nfailed    0\nunsent    0\nanswered  p50" in done.stdout


def test_a_load_that_is_refused_ends_with_1_and_the_reason(sink):
    done = load(
        "--mx", sink, "--tls", "none", "--recipient", "refuse@y.test", "--mails", "2", "--rate", "100"
    )
    assert done.returncode == 1
    assert "       2x 5.1.1 The sink refuses recipients that begin with refuse" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--mx", "a:1", "--submission", "b:1"),
        ("--mx", "a:1", "--account", "a@x.test"),
        ("--submission", "a:1", "--account", "a@x.test"),
    ],
)
def test_a_load_needs_either_an_mx_or_submission_with_a_login(arguments):
    assert load("--recipient", "b@y.test", *arguments).returncode == 2
