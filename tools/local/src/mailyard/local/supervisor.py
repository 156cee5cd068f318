"""Start the parts, restart parts that end, and stop all of them in order.

Everything happens in `tick`, which is called a few times a second; there are no threads and no hidden timers.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailyard.local.instance import created
from mailyard.local.layout import write_json
from mailyard.local.processes import Program, StartFailed, kill_group, start, tail

TICK_SECONDS = 0.1
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
STEADY_SECONDS = 20.0  # who has lived this long and dies had an accident, not a broken start
BOOT_STOP_SECONDS = 3.0
MOST_STARTS = 4  # before the first readiness
EX_CONFIG = 78

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the whole: how it starts, how to see that it is ready, how long its stop may take."""

    program: Program
    not_ready_reason: Callable[[], str | None]
    stop_seconds: float = 30.0

    @property
    def name(self) -> str:
        """As in messages, logs and processes.json."""
        return self.program.name


@dataclass(slots=True)
class _Running:
    """The state of a part."""

    part: Part
    process: subprocess.Popen[bytes]
    started_at: float
    starts: int = 1
    pause: float = FIRST_PAUSE
    again_at: float | None = None
    wanted: bool = True
    was_ready: bool = False

    @property
    def stop_seconds(self) -> float:
        """Return how long a stop may take; a part that was never ready has no work to finish, and a booting RabbitMQ ignores SIGTERM."""
        return self.part.stop_seconds if self.was_ready else min(self.part.stop_seconds, BOOT_STOP_SECONDS)


class Supervisor:
    """Keeps parts running; `book` is the file that says which process is which."""

    def __init__(self, book: Path, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self._book = book
        self._say = say
        self._clock = clock
        self._running: dict[str, _Running] = {}

    def start(self, parts: Iterable[Part]) -> None:
        """Starts processes and does not wait for them."""
        for part in parts:
            self._running[part.name] = _Running(part, start(part.program), self._clock())
        self._write_book()

    async def until_ready(self, parts: Sequence[Part], seconds: float) -> None:
        """Waits for all; StartFailed when one says that a person must act, or when time is up."""
        deadline = self._clock() + seconds
        waiting = list(parts)
        while waiting:
            self.tick()
            reasons = await asyncio.gather(*(asyncio.to_thread(part.not_ready_reason) for part in waiting))
            late = [
                (part, reason) for part, reason in zip(waiting, reasons, strict=True) if reason is not None
            ]
            waiting = [part for part, _ in late]
            for part in parts:
                self._running[part.name].was_ready |= part not in waiting
            self._require_hope(waiting)
            if late and self._clock() > deadline:
                raise StartFailed("\n".join(_complaint(part, reason, seconds) for part, reason in late))
            await asyncio.sleep(TICK_SECONDS)

    def _require_hope(self, parts: Iterable[Part]) -> None:
        """A process that says 78 (EX_CONFIG) would say so again; one that keeps dying would keep dying."""
        for part in parts:
            running = self._running[part.name]
            if running.process.poll() == EX_CONFIG:
                raise StartFailed(f"{part.name} cannot start as it is configured.\n{tail(part.program.log)}")
            if running.starts >= MOST_STARTS and running.process.poll() is not None:
                raise StartFailed(f"{part.name} ended {running.starts} times.\n{tail(part.program.log)}")

    def tick(self) -> None:
        """Notice parts that have ended, and restart those that are due."""
        now = self._clock()
        for running in self._running.values():
            if not running.wanted or running.process.poll() is None:
                continue
            if running.again_at is None:
                self._plan(running, now)
            elif now >= running.again_at:
                self._start_again(running, now)

    def _plan(self, running: _Running, now: float) -> None:
        if now - running.started_at >= STEADY_SECONDS:
            running.pause = FIRST_PAUSE
        running.again_at = now + running.pause
        program = running.part.program
        ending = _ending(running.process.returncode)
        self._say(f"{program.name} {ending}; it is started again in {running.pause:g} s (log: {program.log})")
        running.pause = min(running.pause * 2, LONGEST_PAUSE)

    def _start_again(self, running: _Running, now: float) -> None:
        running.process = start(running.part.program)
        running.started_at = now
        running.starts += 1
        running.again_at = None
        self._write_book()

    def down(self) -> list[str]:
        """The names of the parts that do not run now."""
        return [name for name, running in self._running.items() if running.process.poll() is not None]

    async def stop(self, parts: Iterable[Part]) -> None:
        """Stop one part after the other: SIGTERM, and SIGKILL to those that take too long."""
        for part in parts:
            running = self._running.get(part.name)
            if running is None:
                continue
            running.wanted = False
            if not await _stopped(running.process, running.stop_seconds):
                self._say(f"{part.name} did not stop within {running.stop_seconds:g} s and was killed")
        self._write_book()

    def kill(self) -> None:
        """Ends everything at once."""
        for running in self._running.values():
            running.wanted = False
            if running.process.poll() is None:
                kill_group(running.process)
                running.process.wait()
        self._write_book()

    def _write_book(self) -> None:
        parts = {
            name: {
                "pid": running.process.pid,
                "created": created(running.process.pid),
                "starts": running.starts,
                "log": str(running.part.program.log),
            }
            for name, running in self._running.items()
            if running.process.poll() is None
        }
        write_json(self._book, {"supervisor": os.getpid(), "parts": parts})


async def _stopped(process: subprocess.Popen[bytes], seconds: float) -> bool:
    if process.poll() is None:
        process.terminate()
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > deadline:
            kill_group(process)
            process.wait()
            return False
        await asyncio.sleep(0.02)
    return True


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _complaint(part: Part, reason: str, seconds: float) -> str:
    return f"{part.name} is not ready after {seconds:.0f} s: {reason}.\n{tail(part.program.log)}"
