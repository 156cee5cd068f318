"""All checks on a batch of messages, step by step, and the verdicts that their findings make."""

import asyncio
from collections.abc import Sequence

from mailyard.filter.check import BatchChanged, Check, Findings, OnFailure, in_steps
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.verdict import NO_THRESHOLDS, RejectOutside, Thresholds, combine
from mailyard.proto.v1.ticket_pb2 import Action, Verdict
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.spool.finding import Finding
from mailyard.spool.origin import is_from_outside

_GRACE_SECONDS = 1.0  # so that a check's own limit on single messages ends first
_log = get_logger(__name__)


class Pipeline:
    """Runs checks and combines what they find. A check that fails concerns only the messages that it applies to."""

    def __init__(
        self,
        checks: Sequence[Check],
        reject_outside: RejectOutside = RejectOutside.QUARANTINE,
        thresholds: Thresholds = NO_THRESHOLDS,
    ) -> None:
        """Order the checks. Raises ValueError: they have no order."""
        self._checks = tuple(checks)
        self._steps = in_steps(checks)
        self._are_for_all = all(type(check).applies_to is Check.applies_to for check in checks)
        self._bounces_outside = reject_outside is RejectOutside.BOUNCE
        self._thresholds = thresholds
        self._findings = counter("mailyard_filter_findings_total")
        self._defects = counter("mailyard_filter_defects_total")
        self._failures = counter("mailyard_filter_check_failures_total")

    def needs(self, envelope: MailEnvelope) -> Need:
        """Return how much of a message must be read."""
        need = Need.ENVELOPE
        for check in self._checks:
            if self._are_for_all or check.applies_to(envelope):
                need = max(need, check.needs(envelope))
        return need

    async def judge(
        self, batch: Sequence[Mail], *, is_before_queue: bool = False
    ) -> list[Verdict | Unavailable]:
        """Return the verdict on each message, or the reason why the message must wait.

        Args:
            batch: messages, of which as much was read as `needs` said.
            is_before_queue: the messages are not accepted yet, so a rejection is no bounce.

        Raises:
            BatchChanged: the batch must be read and judged again.

        """
        failures: list[Unavailable | None] = [None] * len(batch)
        for step in self._steps:
            await self._run_step(step, batch, failures)
        return [
            self._verdict(mail, is_before_queue=is_before_queue) if failure is None else failure
            for mail, failure in zip(batch, failures, strict=True)
        ]

    async def _run_step(
        self, step: Sequence[Check], batch: Sequence[Mail], failures: list[Unavailable | None]
    ) -> None:
        numbers = [self._asked(check, batch, failures) for check in step]
        work = [
            self._run(check, [batch[number] for number in asked])
            for check, asked in zip(step, numbers, strict=True)
        ]
        results = [await work[0]] if len(work) == 1 else await asyncio.gather(*work)
        for check, asked, found in zip(step, numbers, results, strict=True):
            for number, each in zip(asked, found, strict=True):
                if not isinstance(each, Unavailable):
                    batch[number].findings.extend(each)
                elif check.on_failure is OnFailure.CONTINUE:
                    mark = Finding(check.name, "unavailable", Action.ACTION_PASS, str(each)[:200])
                    batch[number].findings.append(mark)
                else:
                    failures[number] = Unavailable(f"{check.name}: {each}")

    def _asked(
        self, check: Check, batch: Sequence[Mail], failures: Sequence[Unavailable | None]
    ) -> Sequence[int]:
        """Return the numbers of the messages that a check is asked about."""
        if self._are_for_all and not any(failures):
            return range(len(batch))
        return [
            number
            for number, mail in enumerate(batch)
            if failures[number] is None and check.applies_to(mail.envelope)
        ]

    async def _run(self, check: Check, batch: Sequence[Mail]) -> Sequence[Findings | Unavailable]:
        if not batch:
            return ()
        try:
            async with asyncio.timeout(check.timeout_seconds + _GRACE_SECONDS):
                found = await check.inspect(batch)
        except BatchChanged:
            raise
        except Unavailable as error:
            found = [error] * len(batch)
        except TimeoutError:
            found = [Unavailable(f"no answer within {check.timeout_seconds:g} s")] * len(batch)
        failed = [each for each in found if isinstance(each, Unavailable)]
        if failed:
            self._failures.labels(check.name, check.on_failure).inc(len(failed))
            _log.warning(
                "filter.check_failed",
                check=check.name,
                messages=len(failed),
                error=str(failed[0]),
                next=check.on_failure,
            )
        return found

    def _verdict(self, mail: Mail, *, is_before_queue: bool) -> Verdict:
        envelope, defects = mail.envelope, mail.noted_defects
        for finding in mail.findings:
            self._findings.labels(finding.check, finding.rule).inc()
        for defect in defects:
            self._defects.labels(defect).inc()
        return combine(
            mail.findings,
            envelope.direction,
            bounces=is_before_queue or self._bounces_outside or not is_from_outside(envelope.origin),
            defects=defects,
            thresholds=self._thresholds,
        )
