"""`python -m tests.chaos`: the long run of `make chaos`. Exit code 0: nothing lost, doubled, changed or late."""

import argparse
import asyncio
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.reading import say
from tests.chaos.run import Trial, run
from tests.chaos.schedule import Amounts

SWITCHES = {
    "skip-confirm": {"MAILYARD_SMTP_IN_TEST_SKIP_CONFIRM": "1"},
    "no-reconciler": {"MAILYARD_ROUTER_TEST_NO_RECONCILER": "1"},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one trial as the command line says."""
    options = _parser().parse_args(arguments)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    environment = {name: value for switch in options.switch_off for name, value in SWITCHES[switch].items()}
    seconds = options.seconds or options.kills * 9.0
    amounts = Amounts(
        kills=options.kills,
        terms=options.kills // 4,
        cuts=options.kills // 3,
        stalls=options.kills // 4,
        aways=options.kills // 8,
    )
    trial = Trial(seed, options.mails, seconds, amounts, environment=environment)
    directory = Path(options.directory)
    shutil.rmtree(directory, ignore_errors=True)
    say(f"seed {seed}: {options.mails} mails, {amounts.total} faults in {seconds:.0f} s, data in {directory}")
    verdict = asyncio.run(run(trial, directory, options.port_base))
    say(f"\nseed {seed}\n{verdict.table()}\n{'CLEAN' if verdict.clean else 'FAILED'}")
    return 0 if verdict.clean else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the mails and the schedule of an earlier run")
    parser.add_argument("--mails", type=int, default=5_000)
    parser.add_argument("--kills", type=int, default=32, help="kill -9 in all; other faults follow from it")
    parser.add_argument("--seconds", type=float, help="length of the schedule (default: 9 for each kill)")
    parser.add_argument("--port-base", type=int, default=15_000)
    parser.add_argument("--directory", default="var/chaos", help="removed first")
    parser.add_argument(
        "--switch-off", nargs="*", choices=sorted(SWITCHES), default=[], help="prove that loss is reported"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
