"""The table and the JSON of the benchmark: ratios of neighbouring pairs, medians, spread, verdict."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.peers.measurement import Run
from bench.peers.scenarios import Scenario

SHOWN_MS = 0.02
SHOWN_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of the ratios of neighbouring runs, with their spread and the goal."""

    what: str
    median: float
    lowest: float
    highest: float
    goal: str
    met: bool | None

    def line(self) -> str:
        """One line of the table."""
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        return f"  {self.what:<22} {self.median:6.2f}  ({self.lowest:.2f} to {self.highest:.2f})  {self.goal:<8} {verdict}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two neighbouring runs of one scenario."""

    peer: Run
    mailyard: Run


def ratios(scenario: Scenario, pairs: Sequence[Pair]) -> tuple[Ratio, ...]:
    """Mailyard over peer for each figure; more is better for the rates, less for CPU."""
    goals = scenario.goals
    delivered = [pair.mailyard.delivered_rate / pair.peer.delivered_rate for pair in pairs]
    accepted = [pair.mailyard.accepted_rate / pair.peer.accepted_rate for pair in pairs]
    cpu = [pair.mailyard.cpu_ms / pair.peer.cpu_ms for pair in pairs]
    return (
        _at_least("in mailbox/s", delivered, goals.delivered_at_least),
        _at_least("accepted/s", accepted, goals.accepted_at_least),
        _at_most("CPU ms per message", cpu, goals.cpu_at_most),
    )


def _at_least(what: str, values: Sequence[float], goal: float) -> Ratio:
    middle = median(values)
    return Ratio(what, middle, min(values), max(values), f">= {goal:g}", middle >= goal)


def _at_most(what: str, values: Sequence[float], goal: float | None) -> Ratio:
    middle = median(values)
    met = None if goal is None else middle <= goal
    return Ratio(what, middle, min(values), max(values), "" if goal is None else f"<= {goal:g}", met)


def run_line(run: Run) -> str:
    """One measured run, printed as it ends."""
    return (
        f"  {run.system:<16} {run.accepted_rate:7.0f} accepted/s {run.delivered_rate:7.0f} in mailbox/s"
        f" {run.cpu_ms:7.2f} CPU ms/message   (others idle: {run.idle_cpu_share * 100:.1f} % of a core)"
    )


def process_table(runs: Sequence[Run]) -> str:
    """Median CPU per message and highest peak memory by process of one system, the dearest first."""
    cpu: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for name, seconds in run.usage.cpu_seconds.items():
            cpu[name].append(seconds * 1000 / run.messages)
    peaks = _highest(run.usage.peak_rss_bytes for run in runs)
    rows = sorted(((median(values), name) for name, values in cpu.items()), reverse=True)
    return "\n".join(
        f"    {name:<28} {cost:6.2f} ms/message {peaks.get(name, 0) / 2**20:7.0f} MiB peak"
        for cost, name in rows
        if cost >= SHOWN_MS or peaks.get(name, 0) >= SHOWN_BYTES
    )


def _highest(peaks: Iterable[Mapping[str, int]]) -> dict[str, int]:
    highest: dict[str, int] = defaultdict(int)
    for by_name in peaks:
        for name, peak in by_name.items():
            highest[name] = max(highest[name], peak)
    return highest


def run_record(run: Run) -> dict[str, object]:
    """A run as it stands in the JSON file."""
    return {
        "system": run.system,
        "scenario": run.scenario,
        "messages": run.messages,
        "accepted_per_second": round(run.accepted_rate, 1),
        "in_mailbox_per_second": round(run.delivered_rate, 1),
        "cpu_ms_per_message": round(run.cpu_ms, 3),
        "cpu_ms_per_message_by_process": {
            name: round(seconds * 1000 / run.messages, 3) for name, seconds in run.usage.cpu_seconds.items()
        },
        "peak_rss_bytes_by_process": dict(run.usage.peak_rss_bytes),
        "idle_cpu_share_of_others": round(run.idle_cpu_share, 4),
    }
