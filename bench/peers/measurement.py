"""One measured run: load, wait until all is in the mailboxes, take times and usage."""

import time
from dataclasses import dataclass
from pathlib import Path

from bench.peers import load
from bench.peers.processes import Usage, UsageMeter
from bench.peers.scenarios import Scenario
from bench.peers.systems.system import System, SystemFailed

POLL_SECONDS = 0.05
SETTLE_SECONDS = 1.0
DRAIN_LIMIT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one system under one scenario."""

    system: str
    scenario: str
    messages: int
    accepted_seconds: float
    delivered_seconds: float
    usage: Usage
    idle_cpu_share: float

    @property
    def accepted_rate(self) -> float:
        """Mails answered with 250 a second."""
        return self.messages / self.accepted_seconds

    @property
    def delivered_rate(self) -> float:
        """Mails in mailboxes a second, from the start of the load until the last one is there."""
        return self.messages / self.delivered_seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of every process of the system for each mail."""
        return self.usage.total_cpu_seconds * 1000 / self.messages


def run(system: System, scenario: Scenario, message_file: Path, others: tuple[System, ...] = ()) -> Run:
    """Measure one run. `others` stand idle meanwhile; their CPU share is noted as a doubt on the figures."""
    system.before_run()
    before = system.delivered()
    lines = load.commands(scenario, system.smtp(), system.recipients(), message_file)
    with UsageMeter(system.process_roots) as meter, UsageMeter(lambda: _roots(others)) as idle:
        begun = time.monotonic()
        accepted = load.send(lines)
        _wait_until_delivered(system, before + scenario.messages)
        delivered = time.monotonic() - begun
        time.sleep(SETTLE_SECONDS)  # work after the mailbox (queue files, outcome rows) is part of the price
        elapsed = time.monotonic() - begun
        share = idle.finish().total_cpu_seconds / elapsed
        usage = meter.finish()
    _require_visible(system, scenario.messages)
    return Run(system.name, scenario.name, scenario.messages, accepted, delivered, usage, share)


def _roots(systems: tuple[System, ...]) -> dict[int, str]:
    return {pid: name for system in systems for pid, name in system.process_roots().items()}


def _require_visible(system: System, at_least: int) -> None:
    visible, counted = system.visible(), system.delivered()
    if visible != counted or visible < at_least:
        raise SystemFailed(f"{system.name}: clients see {visible} mails, {counted} were counted")


def _wait_until_delivered(system: System, expected: int) -> None:
    limit = time.monotonic() + DRAIN_LIMIT_SECONDS
    while (found := system.delivered()) < expected:
        if time.monotonic() > limit:
            raise SystemFailed(f"{system.name}: {expected - found} mails have not arrived")
        time.sleep(POLL_SECONDS)
    if found > expected:
        raise SystemFailed(f"{system.name}: {found - expected} mails more than were sent")
