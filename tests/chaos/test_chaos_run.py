"""The short chaos run on every `make test`, and the proof that a real loss is reported."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import verdict
from tests.chaos.__main__ import SWITCHES
from tests.chaos.run import Trial, run
from tests.chaos.schedule import Amounts, Fault, Kind
from tests.trial.instance import free_port_base

SHORT = Amounts(kills=8, terms=3, cuts=4, stalls=3, aways=2)
SEED = 20_261_123


@pytest.mark.slow
async def test_600_mails_survive_8_kills_cuts_stalls_and_sigterms(tmp_path: Path) -> None:
    trial = Trial(SEED, mails=600, seconds=70, amounts=SHORT)
    judged = await run(trial, tmp_path / "local", free_port_base())
    assert judged.clean, judged.table()
    assert dict(judged.figures)["  acknowledged"] >= 600


TICKETS_LOST = Trial(
    SEED,
    mails=120,
    seconds=20,
    amounts=(
        Fault(4, Kind.AWAY, "amqp", duration=14),
        Fault(12, Kind.KILL, "smtp-in"),
    ),
    drain_seconds=15,
)


@pytest.mark.slow
async def test_without_the_reconciler_the_harness_reports_the_loss(tmp_path: Path) -> None:
    """Mail is acknowledged while the broker is unreachable; smtp-in dies before it is back, and nobody looks for tickets."""
    trial = replace(TICKETS_LOST, environment=SWITCHES["no-reconciler"])
    judged = await run(trial, tmp_path / "local", free_port_base())
    assert judged.count(verdict.LOST) > 0, judged.table()
    assert judged.count(verdict.UNACCOUNTED) == 0, "a row that waits is accounted for: only its mail is late"


@pytest.mark.slow
async def test_with_the_reconciler_the_same_faults_lose_nothing(tmp_path: Path) -> None:
    judged = await run(replace(TICKETS_LOST, drain_seconds=120), tmp_path / "local", free_port_base())
    assert judged.clean, judged.table()
