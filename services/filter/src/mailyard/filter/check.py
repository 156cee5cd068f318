"""The contract of a check: one way of looking at mail, named in findings, metrics and traces.

A check is a class in a file of its own, with an entry in `mailyard.filter.registry` and its own group of settings. The
default `inspect` asks `examine` about all messages of a batch at the same time; a check that has a faster way for
a whole batch overrides `inspect`. `mailyard.filter.rules.contentcheck` is the example to start from.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import ClassVar

from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.service import Component
from mailyard.spool.finding import Finding

Findings = Sequence[Finding]


class Phase(IntEnum):
    """When a check runs. It sees the findings of all earlier phases in `Mail.findings`."""

    AUTHENTICATION = 10  # who sent the message: SPF, DKIM, ARC, DMARC
    CONTENT = 20  # what is in the message: rules, virus and spam engines
    POLICY = 30  # conclusions from findings
    SIGNATURE = 40  # signs the message with everything that is added to it


class OnFailure(StrEnum):
    """What happens to a message when a check cannot say anything about it."""

    DEFER = "defer"  # the message waits in the spool and is filtered anew
    CONTINUE = "continue"  # the message goes on, with a finding that says so


class BatchChanged(Unavailable):
    """What a check needs changed while the batch was read: the whole batch is read and judged again at once."""


class Check(ABC):
    """One check. `name` is what findings, metrics and `after` call it."""

    name: ClassVar[str]
    phase: ClassVar[Phase] = Phase.CONTENT
    after: ClassVar[Sequence[str]] = ()
    """Names of checks whose findings this one needs, of the same phase or an earlier one."""

    timeout_seconds: float = 30.0
    on_failure: OnFailure = OnFailure.DEFER

    def applies_to(self, envelope: MailEnvelope) -> bool:
        """Say whether the check has anything to do with a message. Others are neither shown to it nor delayed by it."""
        _ = envelope
        return True

    @abstractmethod
    def needs(self, envelope: MailEnvelope) -> Need:
        """Return how much of a message the check must see. Called before bodies are read, for every message."""

    async def inspect(self, batch: Sequence[Mail]) -> Sequence[Findings | Unavailable]:
        """Return the findings of each message in the same order, or the reason why there are none.

        Raises:
            Unavailable: nothing can be said about any of the messages.
            BatchChanged: see there.

        """
        tasks = [asyncio.create_task(self.examine(mail)) for mail in batch]
        try:
            await asyncio.wait(tasks, timeout=self.timeout_seconds)
            return [self._result(task) for task in tasks]
        finally:
            for task in tasks:
                task.cancel()

    async def examine(self, mail: Mail) -> Findings:
        """Return the findings of one message.

        Raises:
            Unavailable: nothing can be said about it now.

        """
        raise NotImplementedError(f"{type(self).__name__} overrides neither examine nor inspect")

    def components(self) -> Sequence[Component]:
        """Return what must be started before the check works, and stopped after it."""
        return ()

    def _result(self, task: "asyncio.Task[Findings]") -> Findings | Unavailable:
        if not task.done():
            return Unavailable(f"no answer within {self.timeout_seconds:g} s")
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, Unavailable) and not isinstance(error, BatchChanged):
            return error
        raise error


def in_steps(checks: Sequence[Check]) -> tuple[tuple[Check, ...], ...]:
    """Put checks into steps: those of one step run at the same time, and see the findings of the steps before.

    Raises:
        ValueError: a check comes after one that is not there, of a later phase, or that comes after itself.

    """
    steps: list[tuple[Check, ...]] = []
    done: set[str] = set()
    for phase in sorted({check.phase for check in checks}):
        waiting = [check for check in checks if check.phase is phase]
        while waiting:
            ready = tuple(check for check in waiting if done.issuperset(check.after))
            if not ready:
                names = ", ".join(f"{check.name} after {' and '.join(check.after)}" for check in waiting)
                raise ValueError(f"no order of checks is possible: {names}")
            steps.append(ready)
            done.update(check.name for check in ready)
            waiting = [check for check in waiting if check not in ready]
    return tuple(steps)
