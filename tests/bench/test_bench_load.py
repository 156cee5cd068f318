"""The load has the mails of its scenario, for any number of mailboxes."""

import shutil
from pathlib import Path

import pytest

from bench.peers import load, sample_message
from bench.peers.scenarios import SCENARIOS, Scenario

RECIPIENTS = tuple(f"user{number:02d}@bench.test" for number in range(20))
pytestmark = pytest.mark.skipif(
    shutil.which("smtp-source", path="/usr/sbin:/usr/bin") is None,
    reason="needs smtp-source of Debian's postfix",
)


def option(line: list[str], name: str) -> str:
    return line[line.index(name) + 1]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_sessions_and_messages_add_up(scenario: Scenario) -> None:
    lines = load.commands(scenario, ("127.0.0.1", 25), RECIPIENTS, Path("mail"))
    assert sum(int(option(line, "-s")) for line in lines) == scenario.connections
    assert sum(int(option(line, "-m")) for line in lines) == scenario.messages
    assert all(("-d" in line) is scenario.kept for line in lines)


def test_twenty_connections_reach_twenty_mailboxes() -> None:
    lines = load.commands(SCENARIOS[0], ("127.0.0.1", 25), RECIPIENTS, Path("mail"))
    assert {option(line, "-t") for line in lines} == set(RECIPIENTS)


def test_the_letter_has_seven_kilobytes_and_lf_line_ends() -> None:
    text = sample_message.compose()
    assert 6_800 <= len(text) <= 7_200
    assert "\r" not in text
    assert max(map(len, text.splitlines())) < 998
