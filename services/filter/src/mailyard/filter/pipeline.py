"""The checks in their order, and how much of a message they need together."""

import asyncio
from collections.abc import Sequence

from mailyard.filter.check import Check
from mailyard.filter.mail import Envelope, Mail, Need
from mailyard.filter.verdict import Finding, RejectOutside, combine
from mailyard.proto.v1.ticket_pb2 import Verdict
from mailyard.runtime.metrics import counter


class Pipeline:
    """Runs all checks on a batch, at the same time, and combines what they find."""

    def __init__(
        self, checks: Sequence[Check], reject_outside: RejectOutside = RejectOutside.QUARANTINE
    ) -> None:
        self._checks = tuple(checks)
        self._bounces_outside = reject_outside is RejectOutside.BOUNCE
        self._findings = counter("mailyard_filter_findings_total")
        self._defects = counter("mailyard_filter_defects_total")

    def needs(self, envelope: Envelope) -> Need:
        """How much of a message must be read."""
        return max((check.needs(envelope) for check in self._checks), default=Need.ENVELOPE)

    async def judge(self, batch: Sequence[Mail]) -> list[Verdict]:
        """The verdict on each message.

        Raises:
            Unavailable: a check's engine is away.

        """
        columns = await asyncio.gather(*(check.inspect(batch) for check in self._checks))
        verdicts = []
        for number, mail in enumerate(batch):
            findings: list[Finding] = [finding for column in columns for finding in column[number]]
            envelope, defects = mail.envelope, mail.noted_defects
            bounces = self._bounces_outside or not envelope.is_from_outside
            verdicts.append(combine(findings, envelope.direction, bounces=bounces, defects=defects))
            for finding in findings:
                self._findings.labels(finding.check, finding.rule).inc()
            for defect in defects:
                self._defects.labels(defect).inc()
        return verdicts
