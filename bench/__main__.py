"""`python -m bench`: Mailyard and Postfix + Dovecot in neighbouring runs on one machine and message set.

Exit code: 0 when every goal is met, 1 when one is missed, 2 when a system could not be measured.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.peers import measurement, report, sample_message
from bench.peers.measurement import Run
from bench.peers.report import Pair
from bench.peers.scenarios import MAILBOXES, SCENARIOS, Scenario
from bench.peers.systems.mailyard_local import MailyardLocal
from bench.peers.systems.postfix_dovecot import PostfixDovecot
from bench.peers.systems.system import System, SystemFailed

QUICK_MESSAGES = 200
WARM_UP_MESSAGES = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for."""
    options = _parser().parse_args(arguments)
    directory = Path(options.directory)
    directory.mkdir(parents=True, exist_ok=True)
    message_file = directory / "message.txt"
    message_file.write_text(sample_message.compose())
    peer = PostfixDovecot(directory / "postfix-dovecot", MAILBOXES)
    mailyard = MailyardLocal(directory / "mailyard", MAILBOXES)
    systems: tuple[System, ...] = {"both": (peer, mailyard), "peer": (peer,), "mailyard": (mailyard,)}[
        options.systems
    ]
    scenarios = [scenario for scenario in SCENARIOS if options.scenario in (None, scenario.name)]
    if options.quick:
        scenarios = [scenario.shrunk(QUICK_MESSAGES) for scenario in scenarios]
    try:
        with _started(systems):
            runs = _measure(systems, scenarios, 1 if options.quick else options.pairs, message_file)
    except SystemFailed as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    met = _print_summary(scenarios, runs)
    _write_record(directory / "result.json", scenarios, runs)
    return 0 if met or options.quick else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="neighbouring runs of each scenario (default 5)")
    parser.add_argument(
        "--quick", action="store_true", help=f"one pair of {QUICK_MESSAGES} mails: a smoke test"
    )
    parser.add_argument("--scenario", choices=[scenario.name for scenario in SCENARIOS], help="only this one")
    parser.add_argument("--systems", choices=["both", "peer", "mailyard"], default="both")
    parser.add_argument("--directory", default="var/bench", help="where both systems keep their data")
    return parser


@contextmanager
def _started(systems: Sequence[System]) -> Iterator[None]:
    try:
        for system in systems:
            print(f"starting {system.name} ...", flush=True)
            system.start()
        yield
    finally:
        for system in systems:
            system.stop()


def _measure(
    systems: Sequence[System], scenarios: Sequence[Scenario], pairs: int, message_file: Path
) -> list[Run]:
    """All runs; within a pair the order alternates, so that neither system is always the second."""
    runs: list[Run] = []
    for scenario in scenarios:
        print(f"\n{scenario.title}, {scenario.messages} mails", flush=True)
        for system in systems:
            measurement.run(system, scenario.shrunk(WARM_UP_MESSAGES), message_file)
        for number in range(pairs):
            for system in systems if number % 2 == 0 else reversed(systems):
                others = tuple(other for other in systems if other is not system)
                runs.append(measurement.run(system, scenario, message_file, others))
                print(report.run_line(runs[-1]), flush=True)
    return runs


def _pairs(scenario: Scenario, runs: Sequence[Run]) -> list[Pair]:
    peers = [run for run in runs if run.scenario == scenario.name and run.system == PostfixDovecot.name]
    ours = [run for run in runs if run.scenario == scenario.name and run.system == MailyardLocal.name]
    return [Pair(peer, mailyard) for peer, mailyard in zip(peers, ours, strict=False)]


def _print_summary(scenarios: Sequence[Scenario], runs: Sequence[Run]) -> bool:
    """Print processes and ratios; whether every goal is met (vacuously when only one system ran)."""
    met = True
    by_system: dict[str, list[Run]] = defaultdict(list)
    for scenario in scenarios:
        print(f"\n{scenario.title}: CPU and memory by process (medians of the runs)")
        by_system.clear()
        for run in runs:
            if run.scenario == scenario.name:
                by_system[run.system].append(run)
        for name, own in by_system.items():
            print(f"  {name}\n{report.process_table(own)}")
        if pairs := _pairs(scenario, runs):
            print(f"  Mailyard over peer, median of {len(pairs)} neighbouring pairs (lowest to highest)")
            for ratio in report.ratios(scenario, pairs):
                print(ratio.line())
                met = met and ratio.met is not False
    return met


def _write_record(file: Path, scenarios: Sequence[Scenario], runs: Sequence[Run]) -> None:
    summary = {
        scenario.name: [asdict(ratio) for ratio in report.ratios(scenario, pairs)]
        for scenario in scenarios
        if (pairs := _pairs(scenario, runs))
    }
    record = {"ratios": summary, "runs": [report.run_record(run) for run in runs]}
    file.write_text(json.dumps(record, indent=2) + "\n")
    print(f"\nwritten: {file}")


if __name__ == "__main__":
    sys.exit(main())
