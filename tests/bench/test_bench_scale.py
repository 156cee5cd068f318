"""The benchmark on large data, run on little data: it loads, measures every job and reports an exceeded limit."""

import pytest

from bench.scale.__main__ import main
from bench.scale.jobs import Job
from bench.scale.meter import Cost

SMALL = ["--scale", "0.0005", "--time-factor", "100", "--ratio", "0.05", "--messages", "20", "--turns", "1"]


async def _nothing() -> None:
    """A job that costs nothing."""


def cost(**changed: float) -> Cost:
    base = {"documents": 0, "keys": 0, "returned": 0, "commands": 1}
    return Cost(**({**base, "seconds": 0.0, "cpu_seconds": 0.0, "memory_octets": 0} | changed))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_small_run_meets_every_limit_and_prints_each_job(
    mongo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--mongo-url", mongo_url, *SMALL]) == 0
    printed = capsys.readouterr().out
    for words in ("reconciler: lost tickets", "ledger: audit every 15 s", "sweep: nothing new", "fast path:"):
        assert words in printed
    assert "PASSED" not in printed


@pytest.mark.parametrize(
    "costly",
    [{"documents": 301, "returned": 100}, {"seconds": 1.1}, {"cpu_seconds": 1.1}, {"memory_octets": 2**26}],
    ids=str,
)
def test_a_job_that_examines_too_much_or_takes_too_long_passes_its_limit(costly: dict[str, float]) -> None:
    job = Job("some job", _nothing)
    assert len(job.broken(cost(**costly), 1.0)) == 1
    assert job.broken(cost(documents=300, returned=100), 1.0) == []
