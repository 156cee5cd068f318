"""CPU time and memory of process trees from /proc (proc(5)), short-lived children included.

A living process reports its own time; a dead one lives on in its parent's cutime and cstime. The sum over a
tree is therefore exact as long as parents wait for their children, which Postfix, Dovecot, Erlang and the
supervisor all do. Times of the dead by name come from the last sample that saw them.
"""

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROC = Path("/proc")
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.5
SHORT_LIVED = "short-lived"


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """One line of /proc/PID/stat: parent, command, CPU seconds of itself and of its dead children."""

    pid: int
    parent: int
    command: str
    own_seconds: float
    children_seconds: float
    started_ticks: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a system used between two moments, by process name."""

    cpu_seconds: Mapping[str, float]
    peak_rss_bytes: Mapping[str, int]

    @property
    def total_cpu_seconds(self) -> float:
        """CPU of all processes together."""
        return sum(self.cpu_seconds.values())


def parse_stat(text: str) -> ProcessTimes:
    """Parse /proc/PID/stat; the command stands in parentheses and may hold any character."""
    head, _, rest = text.rpartition(")")
    pid, _, command = head.partition("(")
    fields = rest.split()
    user, system, dead_user, dead_system = (int(value) for value in fields[11:15])
    return ProcessTimes(
        pid=int(pid),
        parent=int(fields[1]),
        command=command,
        own_seconds=(user + system) * TICK_SECONDS,
        children_seconds=(dead_user + dead_system) * TICK_SECONDS,
        started_ticks=int(fields[19]),
    )


def all_processes() -> dict[int, ProcessTimes]:
    """Every process of the machine now; those that end meanwhile are left out."""
    found: dict[int, ProcessTimes] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                times = parse_stat((entry / "stat").read_text(errors="replace"))
                found[times.pid] = times
    return found


def tree_names(roots: Mapping[int, str], processes: Mapping[int, ProcessTimes]) -> dict[int, str]:
    """Name every process below the roots: `root/command`; a root is named after itself."""
    children: dict[int, list[int]] = defaultdict(list)
    for times in processes.values():
        children[times.parent].append(times.pid)
    names: dict[int, str] = {}
    for root, name in roots.items():
        for pid in _descendants(root, children, stop=roots.keys() - {root}):
            if pid in processes:
                names[pid] = name if pid == root else f"{name}/{processes[pid].command}"
    return names


def _descendants(root: int, children: Mapping[int, list[int]], stop: set[int]) -> Iterator[int]:
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(child for child in children.get(pid, ()) if child not in stop)


def peak_rss_bytes(pid: int) -> int:
    """VmHWM of a process, 0 when it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in (PROC / str(pid) / "status").read_text(errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def reset_peak_rss(pid: int) -> None:
    """Start VmHWM afresh (proc(5), clear_refs, value 5)."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        (PROC / str(pid) / "clear_refs").write_text("5")


class UsageMeter:
    """Measures one system from `with` to `finish()`; samples in a thread so that the dead keep their names."""

    def __init__(self, roots: Callable[[], Mapping[int, str]]) -> None:
        self._roots = roots
        self._begin: dict[int, ProcessTimes] = {}
        self._seen: dict[tuple[int, int], tuple[str, float]] = {}
        self._peaks: dict[str, int] = defaultdict(int)
        self._begin_total = 0.0
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample_until_ended, daemon=True)

    def __enter__(self) -> Self:
        self._begin = all_processes()
        names = tree_names(self._roots(), self._begin)
        self._begin_total = _total(names, self._begin)
        for pid in names:
            reset_peak_rss(pid)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._sampler.join()

    def finish(self) -> Usage:
        """Usage since the start; call it inside the `with`."""
        total = self._sample() - self._begin_total
        by_name: dict[str, float] = defaultdict(float)
        for name, seconds in self._seen.values():
            by_name[name] += seconds
        by_name[SHORT_LIVED] = total - sum(by_name.values())
        return Usage(dict(by_name), dict(self._peaks))

    def _sample_until_ended(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> float:
        """Note own times and peaks of every process of the tree; return the tree's total CPU seconds."""
        processes = all_processes()
        names = tree_names(self._roots(), processes)
        peaks: dict[str, int] = defaultdict(int)
        for pid, name in names.items():
            times = processes[pid]
            before = self._begin.get(pid)
            same = before is not None and before.started_ticks == times.started_ticks
            begun = before.own_seconds if before is not None and same else 0.0
            self._seen[pid, times.started_ticks] = (name, times.own_seconds - begun)
            peaks[name] = max(peaks[name], peak_rss_bytes(pid))
        for name, peak in peaks.items():
            self._peaks[name] = max(self._peaks[name], peak)
        return _total(names, processes)


def _total(names: Mapping[int, str], processes: Mapping[int, ProcessTimes]) -> float:
    return sum(processes[pid].own_seconds + processes[pid].children_seconds for pid in names)
