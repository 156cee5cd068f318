"""The load itself: `smtp-source` of Debian's postfix package, one process for each mailbox.

A single smtp-source knows one recipient, or numbers them without end (-N), which no set of 20 mailboxes matches
without an alias table of thousands; so the connections are divided over one process for each mailbox.
"""

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.peers.scenarios import Scenario
from bench.peers.systems.system import SystemFailed

SENDER = "ada@load.test"
LIMIT_SECONDS = 600


def find_smtp_source() -> str:
    """Path of smtp-source; raises SystemFailed with what to install."""
    path = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin")
    if path is None:
        raise SystemFailed("smtp-source is missing: apt-get install postfix")
    return path


def commands(
    scenario: Scenario, server: tuple[str, int], recipients: Sequence[str], message_file: Path
) -> list[list[str]]:
    """The smtp-source command lines of a scenario; their -s and -m add up to the scenario's numbers."""
    used = recipients[: scenario.connections]
    shares = zip(
        used, _split(scenario.connections, len(used)), _split(scenario.messages, len(used)), strict=True
    )
    keep = ["-d"] if scenario.kept else []
    return [
        [
            *(find_smtp_source(), "-4", "-C", "5", "-M", "load.test", *keep),
            *("-f", SENDER, "-t", recipient, "-F", str(message_file)),
            *("-s", str(sessions), "-m", str(messages), f"inet:{server[0]}:{server[1]}"),
        ]
        for recipient, sessions, messages in shares
    ]


def _split(total: int, parts: int) -> list[int]:
    return [total // parts + (1 if number < total % parts else 0) for number in range(parts)]


def send(command_lines: Sequence[Sequence[str]]) -> float:
    """Run all of them at once; seconds until the last has ended; raises SystemFailed when one was refused."""
    begun = time.monotonic()
    running = [subprocess.Popen(line, stderr=subprocess.PIPE, text=True) for line in command_lines]
    try:
        for process in running:
            process.wait(timeout=max(1.0, LIMIT_SECONDS - (time.monotonic() - begun)))
        elapsed = time.monotonic() - begun
    finally:
        for process in running:
            process.kill()
    problems = [(process.communicate()[1] or "").strip() for process in running if process.returncode != 0]
    if problems:
        raise SystemFailed(
            f"smtp-source: {len(problems)} of {len(running)} failed, the first with: {problems[0]}"
        )
    return elapsed
