"""Watches an instance: loop lag and memory of each service, restarts, and the response times of a normal client."""

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import psutil
import yaml

from mailyard.local.paths import REPOSITORY
from mailyard.local.ports import HEALTH
from tests.hostile import client
from tests.trial.instance import Instance

LAG = "mailyard_loop_lag_seconds"
LAG_P99_SECONDS = 0.1
LAG_MOST_SECONDS = 1.0
SLOWER_FACTOR = 2.0
SLOWER_SECONDS = 0.25
SAMPLE_SECONDS = 0.5
_BUCKET = re.compile(rf'^{LAG}_bucket{{.*?le="([^"]+)".*?}} (\S+)$', re.MULTILINE)
_UNITS = {"Mi": 2**20, "Gi": 2**30}

Buckets = Mapping[float, float]  # cumulative counts by upper bound


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold: the memory of each service by the chart, and how slow the peaceful client may be."""

    memory_octets: Mapping[str, int]
    client_p99_seconds: float


@dataclass(slots=True)
class Seen:
    """What was seen while something happened."""

    lag_p99: dict[str, float] = field(default_factory=dict)
    lag_most: dict[str, float] = field(default_factory=dict)
    peak_octets: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    client_seconds: list[float] = field(default_factory=list)
    client_failures: list[str] = field(default_factory=list)

    @property
    def client_p99(self) -> float:
        """The 99th percentile of what the peaceful client waited; no reply at all is endless."""
        return percentile(self.client_seconds, 99)


def faults(seen: Seen, limits: Limits | None) -> list[str]:
    """Say what was beyond a limit; None: only what is a fault at any time."""
    found = [f"{name} was restarted {count} times" for name, count in seen.restarts.items() if count]
    found += [f"the peaceful client: {text}" for text in dict.fromkeys(seen.client_failures)]
    if limits is None:
        return found
    found += [
        f"{name}: loop lag p99 above {LAG_P99_SECONDS:g} s ({lag:g} s or less)"
        for name, lag in seen.lag_p99.items()
        if lag > LAG_P99_SECONDS
    ]
    found += [
        f"{name}: a loop lag above {LAG_MOST_SECONDS:g} s ({lag:g} s or less)"
        for name, lag in seen.lag_most.items()
        if lag > LAG_MOST_SECONDS
    ]
    found += [
        f"{name}: {octets >> 20} MiB of memory, limit {limits.memory_octets[name] >> 20}"
        for name, octets in seen.peak_octets.items()
        if octets > limits.memory_octets[name]
    ]
    if seen.client_p99 > limits.client_p99_seconds:
        found.append(
            f"the peaceful client waited {seen.client_p99:.2f} s (p99), limit {limits.client_p99_seconds:.2f}"
        )
    return found


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; endless when there is no value."""
    if not values:
        return inf
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def lag_quantile(before: Buckets, after: Buckets, quantile: float) -> float:
    """The upper bound of the bucket in which a quantile of the observations between two readings lies; 0 without any.

    A process that started anew between them counts from 0; one that could not be read at the end has an endless lag.
    """
    if not after:
        return inf
    if after[inf] < before.get(inf, 0.0):
        before = {}
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = counts.get(inf, 0.0)
    if not total:
        return 0.0
    return next(bound for bound, count in counts.items() if count >= total * quantile)


def buckets(page: str) -> Buckets:
    """The buckets of loop lag on a metrics page."""
    return {float(bound): float(count) for bound, count in _BUCKET.findall(page)}


def memory_limits() -> dict[str, int]:
    """The memory limit of each service in the chart's values, in octets."""
    values = yaml.safe_load((REPOSITORY / "charts/mailyard/values.yaml").read_text())
    return {
        name: _octets(service["resources"]["limits"]["memory"])
        for name, service in values["services"].items()
    }


def _octets(text: str) -> int:
    return int(text[:-2]) * _UNITS[text[-2:]]


@contextlib.asynccontextmanager
async def watching(instance: Instance, account: str) -> AsyncIterator[Seen]:
    """Watch while the body runs; what was seen is complete when it ends."""
    seen = Seen(restarts={name: -count for name, count in instance.starts().items()})
    before = await asyncio.to_thread(_lags, instance)
    tasks = [
        asyncio.create_task(_sample_memory(instance, seen)),
        asyncio.create_task(_peaceful_client(instance, account, seen)),
    ]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    after = await asyncio.to_thread(_lags, instance)
    for name, page in after.items():
        seen.lag_p99[name] = lag_quantile(before[name], page, 0.99)
        seen.lag_most[name] = lag_quantile(before[name], page, 1.0)
    for name, count in instance.starts().items():
        seen.restarts[name] = seen.restarts.get(name, 0) + count


def _lags(instance: Instance) -> dict[str, Buckets]:
    found: dict[str, Buckets] = {}
    for name in HEALTH:
        try:
            found[name] = buckets(instance.http(name, "/metrics"))
        except OSError:
            found[name] = {}
    return found


async def _sample_memory(instance: Instance, seen: Seen) -> None:
    while True:
        for name in HEALTH:
            with contextlib.suppress(KeyError, psutil.Error):
                octets = psutil.Process(instance.pids()[name]).memory_info().rss
                seen.peak_octets[name] = max(octets, seen.peak_octets.get(name, 0))
        await asyncio.sleep(SAMPLE_SECONDS)


async def _peaceful_client(instance: Instance, account: str, seen: Seen) -> None:
    """Note what the peaceful client prints; what attacks do in this process does not slow it down."""
    ports = (str(instance.ports.listener(name)) for name in ("smtp", "imap"))
    command = (sys.executable, "-m", client.__name__, *ports, account)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert process.stdout is not None
    try:
        while line := (await process.stdout.readline()).decode().strip():
            if line.startswith(client.FAILED):
                seen.client_failures.append(line.removeprefix(client.FAILED))
            else:
                seen.client_seconds.append(float(line))
        seen.client_failures.append("it ended by itself")
    finally:
        process.kill()
        await process.wait()
