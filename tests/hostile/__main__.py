"""`python -m tests.hostile`: hostile input of every kind against an instance of its own. Exit code 0: all limits held."""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from mailyard.local.processes import free_port
from tests.chaos.reading import say
from tests.hostile import imap, smtp
from tests.hostile.peer import PeerGone
from tests.hostile.target import Target, environment, prepare, tarpits
from tests.hostile.watch import (
    SLOWER_FACTOR,
    SLOWER_SECONDS,
    Limits,
    Seen,
    faults,
    memory_limits,
    watching,
)
from tests.trial.instance import Instance

ATTACKS: dict[str, Callable[[Target], Awaitable[str]]] = {
    f"{module.__name__.rpartition('.')[2]}:{attack.__name__}": attack
    for module in (smtp, imap)
    for attack in module.ATTACKS
}
IDLE_SECONDS = 20.0
AFTER_SECONDS = 5.0  # what an attack left behind is worked off while it is still watched
ATTACK_SECONDS = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attacks that the command line names, else all."""
    options = _parser().parse_args(arguments)
    if options.list:
        say("\n".join(f"{name:<34}{attack.__doc__}" for name, attack in ATTACKS.items()))
        return 0
    directory = Path(options.directory)
    shutil.rmtree(directory, ignore_errors=True)
    found = asyncio.run(_run(options.only or list(ATTACKS), directory, options.port_base))
    say("\n".join(["", *found, f"{'FAILED' if found else 'PASSED'}, logs in {directory / 'logs'}"]))
    return 1 if found else 0


async def _run(names: Sequence[str], directory: Path, port_base: int) -> list[str]:
    port = free_port()
    instance = Instance(directory, port_base, environment(port))
    async with tarpits(port):
        try:
            await asyncio.to_thread(instance.start)
            return await _attack(names, await prepare(instance, [f"mx{n}.tarpit.test" for n in range(25)]))
        finally:
            await asyncio.to_thread(instance.stop)


async def _attack(names: Sequence[str], target: Target) -> list[str]:
    peaceful = target.recipients[-1]
    async with watching(target.instance, peaceful) as idle:
        await asyncio.sleep(IDLE_SECONDS)
    found = [f"idle: {fault}" for fault in faults(idle, None)]
    limits = Limits(memory_limits(), idle.client_p99 * SLOWER_FACTOR + SLOWER_SECONDS)
    say(_line("idle", idle, ""))
    for name in names:
        async with watching(target.instance, peaceful) as seen:
            try:
                async with asyncio.timeout(ATTACK_SECONDS):
                    words = await ATTACKS[name](target)
            except PeerGone as error:  # a server may hang up on an attacker; it may not fall silent
                words = f"ended: {error}"
                if error.silent:
                    target.faults.append("a command was not answered in time")
            except TimeoutError:
                words = f"not done within {ATTACK_SECONDS:g} s"
                target.faults.append(words)
            await asyncio.sleep(AFTER_SECONDS)
        say(_line(name, seen, words))
        found += [f"{name}: {fault}" for fault in (*faults(seen, limits), *target.faults)]
        target.faults.clear()
    return found


def _line(name: str, seen: Seen, words: str) -> str:
    lagging = max(seen.lag_p99, key=lambda service: (seen.lag_p99[service], seen.lag_most[service]))
    largest = max(seen.peak_octets, key=lambda service: seen.peak_octets[service])
    return (
        f"{name:<34} client p99 {seen.client_p99:6.2f} s of {len(seen.client_seconds):4}"
        f"  lag p99 ≤ {seen.lag_p99[lagging]:5g} s, most ≤ {max(seen.lag_most.values()):5g} s ({lagging})"
        f"  {seen.peak_octets[largest] >> 20:4} MiB ({largest})  {words[:150]}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), metavar="ATTACK", help="instead of all")
    parser.add_argument("--list", action="store_true", help="say what each attack does, and end")
    parser.add_argument("--port-base", type=int, default=17_000)
    parser.add_argument("--directory", default="var/hostile", help="removed first")
    return parser


if __name__ == "__main__":
    sys.exit(main())
