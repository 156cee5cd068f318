"""The rules in force: read at the start, and again when their file changes or on SIGHUP.

A changed file that cannot be used changes nothing: the previous rules stay in force, and the log says what is wrong.
"""

import asyncio
import signal
from pathlib import Path

from mailyard.filter.rules.patterns import PatternError
from mailyard.filter.rules.rulefile import RuleFileError, read_rules
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, gauge

_log = get_logger(__name__)
_ABSENT_LOOKS = 2
_Stamp = tuple[int, int, int]


class RuleSource:
    """Keeps the rules of a file up to date (a `Component`)."""

    name = "rules"

    def __init__(self, path: Path | None, check_seconds: float) -> None:
        self._path = path
        self._check_seconds = check_seconds
        self._rules = RuleSet([])
        self._stamp: _Stamp | None = None
        self._absent_looks = 0
        self._hang_up = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._refused = counter("mailyard_filter_rules_refused_total")

    @property
    def current(self) -> RuleSet:
        """The rules in force."""
        return self._rules

    async def start(self) -> None:
        """Read the rules.

        Raises:
            Misconfigured: the file cannot be used.

        """
        if self._path is None:
            return
        self._stamp = _stamp(self._path)
        try:
            self._use(self._path)
        except RuleFileError as error:
            lines = "\n  ".join(error.problems)
            raise Misconfigured(f"MAILYARD_FILTER_RULES names {self._path}:\n  {lines}") from None
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up.set)
        self._watching = asyncio.create_task(self._watch(self._path), name="rules")

    def unready(self) -> str | None:
        """Return None: old rules are better than none."""
        return None

    async def drain(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Stop watching the file."""
        if self._watching is not None:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            self._watching.cancel()
            await asyncio.wait((self._watching,))

    async def _watch(self, path: Path) -> None:
        while True:
            asked = await self._was_asked()
            stamp = _stamp(path)
            self._note_absence(path, stamp)
            if stamp is None or (stamp == self._stamp and not asked):
                continue
            self._stamp = stamp
            try:
                self._use(path)
            except RuleFileError as error:
                self._refused.inc()
                _log.error("filter.rules_refused", file=str(path), problems=error.problems)

    def _note_absence(self, path: Path, stamp: _Stamp | None) -> None:
        """Log once that the file is missing at two checks in a row; a replacement may remove it for a moment."""
        self._absent_looks = self._absent_looks + 1 if stamp is None else 0
        if self._absent_looks == _ABSENT_LOOKS:
            _log.error("filter.rules_missing", file=str(path), rules=len(self._rules))

    async def _was_asked(self) -> bool:
        """Wait for SIGHUP or for the next check; return whether it was SIGHUP."""
        try:
            async with asyncio.timeout(self._check_seconds):
                await self._hang_up.wait()
        except TimeoutError:
            return False
        self._hang_up.clear()
        return True

    def _use(self, path: Path) -> None:
        try:
            self._rules = RuleSet(read_rules(path))
        except PatternError as error:
            raise RuleFileError(path, [str(error)]) from None
        gauge("mailyard_filter_rules_active").set(len(self._rules))
        _log.info("filter.rules_loaded", file=str(path), rules=len(self._rules))


def _stamp(path: Path) -> _Stamp | None:
    """Return a value that changes with the file; None while the file is missing, as during its replacement."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
