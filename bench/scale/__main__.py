"""`python -m bench.scale`: the cost of every periodic job and every hot query on large data, and the fast path with that load.

It loads, in a real mongod, 1,000,000 ended spool rows of 30 days, 1,000,000 active rows that wait for relay, 500,000 open
ledger lines of 100 tenants, a mailbox of 1,000,000 messages, 100,000 mailboxes and 2,000,000 bodies, times --scale. Then
it runs each job and prints what the store examined, what came back, the time, the CPU time and the memory of the process.

Exit code: 0 when every limit is met, 1 when one is passed.
"""

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bench.scale.fastpath import compare_speed
from bench.scale.jobs import MEGABYTE, Job, jobs, the_inbox
from bench.scale.load import Loader
from bench.scale.meter import Cost, Meter, run
from bench.scale.size import size_of
from mailyard.local import provision
from mailyard.local.mongod import Mongod
from mailyard.local.paths import VAR
from mailyard.local.processes import free_port, start, stop, wait_ready
from mailyard.store.client import Store
from tests.flow.parts import Flow

FULL, EMPTY = "mailyard-scale", "mailyard-scale-empty"
_START_SECONDS = 120
_STOP_SECONDS = 120
_HEADING = (
    f"{'job':46} {'docs':>10} {'keys':>10} {'returned':>10} {'cmds':>6} {'s':>8} {'CPU s':>7} {'MB':>6}"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, measure, print."""
    options = _parser().parse_args(arguments)
    with contextlib.ExitStack() as stack:
        url = options.mongo_url or stack.enter_context(started_mongod(Path(options.directory), options.cache))
        return run(lambda: _measure(url, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", type=float, default=1.0, help="factor for all amounts (default 1)")
    parser.add_argument("--mongo-url", help="a replica set to load; by default one is started")
    parser.add_argument(
        "--directory", default="var/bench/scale", help="where the started mongod keeps its data"
    )
    parser.add_argument("--cache", type=float, default=1.0, help="its cache in gigabytes (default 1)")
    parser.add_argument(
        "--keep", action="store_true", help="use data that an earlier run left, and leave them"
    )
    parser.add_argument(
        "--time-factor",
        type=float,
        default=1.0,
        help="factor for the limits of time, on a busy machine (default 1)",
    )
    parser.add_argument("--only", default="", help="only jobs whose name contains this")
    parser.add_argument(
        "--messages", type=int, default=1000, help="of each turn of the fast path; 0: no turn"
    )
    parser.add_argument("--turns", type=int, default=6, help="of the fast path on each database (default 6)")
    parser.add_argument("--ratio", type=float, default=0.9, help="least speed with the load (default 0.9)")
    return parser


async def _measure(url: str, options: argparse.Namespace) -> int:
    size = size_of(options.scale)
    async with _database(url, FULL, keep=options.keep) as full:
        if not await full.collection("spool").find_one({}):
            await Loader(url, FULL, size, lambda text: print(text, flush=True)).load()
        passed = 0
        meter, flow = Meter(full), Flow(full)
        print(_HEADING)
        for job in jobs(flow, await the_inbox(full), size):
            if options.only in job.name:
                passed += _show(job, await meter.measure(job.work), options.time_factor)
        if options.messages:
            async with _database(url, EMPTY, keep=False) as empty:
                speed = await compare_speed(empty, full, options.messages, options.turns)
            missed = speed.ratio < options.ratio
            passed += missed
            print(
                f"fast path: {speed.empty:.0f} messages/s without the load, {speed.full:.0f} with it, "
                f"ratio {speed.ratio:.2f} (limit {options.ratio}){' MISSED' if missed else ''}"
            )
        print(f"{passed} limit(s) passed" if passed else "every limit is met")
    return 1 if passed else 0


def _show(job: Job, cost: Cost, time_factor: float) -> int:
    broken = job.broken(cost, time_factor)
    print(
        f"{job.name:46} {cost.documents:10,} {cost.keys:10,} {cost.returned:10,} {cost.commands:6} "
        f"{cost.seconds:8.3f} {cost.cpu_seconds:7.3f} {cost.memory_octets / MEGABYTE:6.1f}"
        f"{'  PASSED: ' + '; '.join(broken) if broken else ''}",
        flush=True,
    )
    return len(broken)


@asynccontextmanager
async def _database(url: str, name: str, *, keep: bool) -> AsyncIterator[Store]:
    store = Store(url, name, timeout_ms=60_000)
    await store.start()
    try:
        if not keep:
            await store.client.drop_database(name)
        yield store
        if not keep:
            await store.client.drop_database(name)
    finally:
        await store.close()


@contextmanager
def started_mongod(directory: Path, cache: float) -> Iterator[str]:
    """Run a mongod for the time of the context; give its URL."""
    found = provision.mongod(VAR)
    log = directory.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    server = Mongod(found.binary, directory, free_port(), log, cache_gigabytes=cache, env=found.env)
    program = server.program()
    process = start(program)
    try:
        wait_ready(program, process, server.not_ready_reason, _START_SECONDS)
        yield server.url
    finally:
        stop(process, _STOP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
